"""What to try on the Metropolis–Hastings page, and what goes wrong there. tests/test_lessons.py runs each and holds it
to its claim."""

from __future__ import annotations

from dataclasses import replace

from ebm_plugins.families.metropolis_hastings_text import PRESETS
from ebm_plugins.records import Lesson

LESSONS = (
    Lesson(
        title="A crowd learns the odds",
        spec=PRESETS["Three wells, confined"],
        look="Beside the landscape: bars are the share of particles in each well, ticks the exact shares.",
        claim=r"44, 33 and 23 in a hundred, as $e^{-E}/Z$ has it; yet nobody computed $Z$. About half of the proposals are "
        "accepted.",
    ),
    Lesson(
        title="Let the scale tune itself",
        spec=PRESETS["The scale tunes itself"],
        look="The acceptance in the Diagnostics tab. It begins at a scale of 20, which is far too bold.",
        claim="In the first 150 steps the scale falls until about a third of the proposals are accepted, then it is held. On "
        "the plane that moves furthest.",
    ),
    Lesson(
        title="Cross a barrier with hot copies",
        spec=PRESETS["Two wells, with hot copies"],
        look="All particles start in the left well. Watch the right one fill.",
        claim="Half and half, as it should be. Copies at higher temperatures walk over the barrier and swap places with cold "
        "ones. Compare with *Cold, and caught in one well* below: the same start, without the copies.",
    ),
    Lesson(
        kind="failure",
        title="Too timid",
        spec=PRESETS["Too timid"],
        look="98 of 100 proposals are accepted. Look at how far a particle gets.",
        claim="High acceptance is not success. With steps of 0.05 a particle needs thousands of them to cross the room; after 300 "
        "the crowd still shows where it began, and the mean energy is far too high.",
    ),
    Lesson(
        kind="failure",
        title="Too bold",
        spec=replace(PRESETS["Too bold"], sample={"scale": 50.0, "steps": 300}),
        look="Nearly all proposals are refused. Look at the trails: most particles have none.",
        claim="Fewer than 1 of 100 proposals are accepted, since most land far outside. The answer would come out right in the "
        "end; after 300 steps, about two of them accepted, it has not. Run 6,000 and look again.",
    ),
    Lesson(
        kind="failure",
        title="Cold, and caught in one well",
        spec=PRESETS["Two wells, one start"],
        look="Each path looks settled. Look at the shares of the two wells.",
        claim="The right well should hold half and holds less than a sixth. Between the wells the energy is 3 above their floor; at $T = "
        r"0.5$ that is passed with a chance of the order $e^{-6}$. No chain alone can tell you: R-hat and the truth can.",
    ),
    Lesson(
        kind="failure",
        title="A lopsided proposal, not corrected",
        spec=PRESETS["Lopsided, and not corrected"],
        look="The ring is round, the crowd is not.",
        claim=r"Proposals lean to the right, and Hastings' factor $q(x \mid x')/q(x' \mid x)$ is switched off. More steps do "
        "not help: the chain has settled, on another density. Switch Correction on and the ring is whole.",
    ),
    Lesson(
        kind="failure",
        title="Wells without walls",
        spec=PRESETS["As in the article"],
        look="Press play and watch particles leave. They do not come back.",
        claim=r"Far out $E$ is 0 and $e^{-E}$ is 1, so its integral over the plane is infinite: there is no $Z$, and no "
        r"density to sample. A confining term $c\,|x|^2$ makes one.",
    ),
)
