"""What to try on the RBM's page, and what goes wrong there. tests/test_lessons.py runs each and holds it to its claim."""

from __future__ import annotations

from dataclasses import replace

from ebm_plugins import starts
from ebm_plugins.families.rbm_text import PRESETS
from ebm_plugins.records import Lesson
from ebm_plugins.specs import RunSpec

SIX = PRESETS["The article's six rows, learned"]
ONE_ROW = starts.Data(rows=(0,), copies=300)
TOO_FAST = RunSpec(
    family="rbm",
    dataset="bars-and-stripes-3x3",
    train={
        "hidden": 12, "learning_rate": 2.0, "schedule": "constant", "epochs": 500, "chains": 10, "batch": 14,
        "every": 10,
    },
    start=starts.Noise(n=300),
)  # fmt: skip

LESSONS = (
    Lesson(
        title="Learn bars and stripes",
        spec=PRESETS["Bars and stripes, all but perfect"],
        look="Open the Training tab and follow the log-likelihood. Then look at what the machine dreams.",
        claim=r"There are 14 patterns, so no model can do better than $-\ln 14 = -2.64$ nats. It comes within 0.1 of that, "
        "and its dreams are bars and stripes.",
    ),
    Lesson(
        title="Draw two lost rows of a digit",
        spec=PRESETS["Two rows of an eight, against the exact answer"],
        look="Two rows of an eight are erased. 300 chains fill them in, each in its own way.",
        claim=r"The given cells never move. The 16 free ones have $2^{16}$ states: few enough to sum, and the fillings are as "
        "close to the exact conditional distribution as 300 draws can be.",
    ),
    Lesson(
        title="Heat the machine",
        spec=replace(SIX, sampler="gibbs", sample={"steps": 100, "temperature": 3.0}),
        look="The mean energy in the Truth tab, beside the exact one. Then set Temperature back to 1.",
        claim=r"At $T = 3$ the mean energy is higher and the states are muddled, exactly as $e^{-F/T}$ says. Layer by layer "
        "there is no temperature; this sampler redraws one cell at a time and has one.",
    ),
    Lesson(
        kind="failure",
        title="Error falls, likelihood falls",
        spec=PRESETS["Error falls, likelihood falls"],
        look="Two curves in the Training tab: reconstruction error and log-likelihood. Look at where the second one turns.",
        claim="Once the *exact* log-likelihood has peaked it falls for good, and all the while the error shrinks on, to less than a fifth. CD-1 looks "
        "one sweep around the data. It never sees the states far away that the machine has come to like.",
    ),
    Lesson(
        kind="failure",
        title="Chains that follow too slowly",
        spec=TOO_FAST,
        look="The log-likelihood in the Training tab, at a learning rate of 2.",
        claim=r"It rises for fewer than 120 epochs, then falls far below what coin tosses have, $-9 \ln 2 = -6.24$. Ten persistent "
        "chains cannot keep up with weights that grow so fast: learning pushes away from states that the machine no longer has. A small error hides it.",
    ),
    Lesson(
        kind="failure",
        title="Stuck in one dream",
        spec=replace(SIX, sample={"steps": 30}, start=ONE_ROW, seed=2),
        look="All 300 chains begin at one row. Count the other rows after 30 sweeps.",
        claim="The machine is right, the sample is not: total variation is far above the floor. Well-learned patterns are deep "
        "wells, and a sweep seldom leaves one. Choose *Tempering*, or start from noise.",
    ),
    Lesson(
        kind="failure",
        title="Too cold to move",
        spec=replace(SIX, sampler="gibbs", sample={"steps": 60, "temperature": 0.3}, start=ONE_ROW),
        look="Press play. Nothing happens.",
        claim=r"At $T = 0.3$ every barrier counts three times. All 300 chains sit where they began, so one picture has the "
        "whole of the sample and less than half of the truth. Cold sampling needs hot copies, or slow cooling.",
    ),
)
