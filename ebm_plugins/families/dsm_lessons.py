"""What to try on the page of denoising score matching, and what goes wrong there. tests/test_lessons.py runs each and
holds it to its claim."""

from __future__ import annotations

from dataclasses import replace

from ebm_plugins import starts
from ebm_plugins.families.dsm_text import PRESETS
from ebm_plugins.records import Lesson

EIGHT = PRESETS["Eight Gaussians"]
ONE_NOISE = replace(EIGHT, train={"levels": 1, "smallest": 0.03, "steps": 1500})
CENTRE = starts.Drawn(states="mgHNAA", copies=50)  # 50 particles at one place near (0.4, 0.2)

LESSONS = (
    Lesson(
        title="From noise to data",
        spec=EIGHT,
        look="Play it. A cloud comes down ten levels of noise and parts into eight clumps.",
        claim="More than 95 of 100 samples end at the data, and each clump gets its share to within a factor of two. The model never saw "
        r"a density: it learned to take noise off, which is the slope of $\log p_\sigma$.",
    ),
    Lesson(
        title="The same start, the same end",
        spec=replace(
            EIGHT,
            train={"smallest": 0.12, "steps": 1500},
            sample={"method": "probability-flow", "steps": 60, "every": 1},
            start=CENTRE,
        ),
        look="Fifty particles start at one place. Can you see more than one?",
        claim=r"They stay together to the end. The flow $dx/d\sigma = -\sigma s$ has no dice in it: it turns noise into data, the same "
        "noise into the same data. Set Method to *Annealed* and they part.",
    ),
    Lesson(
        title="Arrows without an energy",
        spec=replace(EIGHT, train={"model": "score", "smallest": 0.12, "steps": 1500}),
        look="The figure *Curl*, and the verdict.",
        claim=r"A score network gives arrows directly. They need not be the slope of anything: their curl is not 0. So there is no $E$ "
        r"and no exact answer to compare with. The curl of an energy network is 0 by construction.",
    ),
    Lesson(
        kind="failure",
        title="Where there are no data",
        spec=ONE_NOISE,
        look="One small noise, and a start all over the plane. Count the particles that arrive.",
        claim="Most never reach the data. Learning looked only within a few hundredths of the points; everywhere else the arrows are "
        "guesses, and more than ten times as wrong. Large noise teaches the far places: that is what the ladder is for.",
    ),
    Lesson(
        kind="failure",
        title="How much each clump weighs is lost",
        spec=replace(ONE_NOISE, start=starts.Data(rows=tuple(range(300)))),
        look="The exact density of the learned energy, in the Truth tab. The eight clumps should be alike.",
        claim=r"In the data every clump has 11 to 14 of 100; in $e^{-E}$ the heaviest has more than one and a half times as much as the "
        "lightest, with some seeds ten times. A score says which way is up, here. It takes a path with data on it to compare one hill with the next.",
    ),
)
