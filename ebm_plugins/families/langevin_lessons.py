"""What to try on the Langevin page, and what goes wrong there. tests/test_lessons.py runs each and holds it to its claim."""

from __future__ import annotations

from dataclasses import replace

from ebm_plugins import starts
from ebm_plugins.families.langevin_text import PRESETS
from ebm_plugins.records import Lesson

LESSONS = (
    Lesson(
        title="Downhill, with kicks",
        spec=replace(
            PRESETS["Three wells, confined"], sample={"step_size": 0.05, "steps": 500, "every": 2}, seed=7
        ),
        look="Particles fall into the wells at once. Then watch how the crowd divides among them.",
        claim=r"After 500 steps it is as close to $e^{-E}/Z$ as 300 draws can be. Without the kicks every particle would end at "
        "the bottom of its own well; the heat is what makes it a sampler.",
    ),
    Lesson(
        title="Accept or refuse",
        spec=PRESETS["MALA removes the bias"],
        look="The step is 12 times as long as in *Downhill, with kicks*. Look at the verdict.",
        claim=r"Still right. MALA proposes the same step and then accepts or refuses it, about 3 in 4 times with a yes. That test "
        r"removes the bias at any $\eta$. Change Sampler to ULA and it comes back.",
    ),
    Lesson(
        title="Momentum round the ring",
        spec=PRESETS["Round the ring with momentum"],
        look="Play it slowly. Particles coast along the valley and seldom turn round.",
        claim=r"A push that lasts carries a particle along where a drunkard's walk would dither. The crowd is as close to exact "
        "as 300 draws can be.",
    ),
    Lesson(
        kind="failure",
        title="Too large a step: a bias",
        spec=replace(PRESETS["Too large a step"], start=starts.Noise(n=600)),
        look="It looks right to the eye. Look at the mean energy in the Truth tab.",
        claim=r"The mean energy is too high by more than 5 standard errors, and more steps do not help: the chain has settled. A step of "
        r"finite $\eta$ has a stationary density of its own, wider than $e^{-E}$. On $E = x^2/2$ its variance is $1/(1 - \eta/2)$.",
    ),
    Lesson(
        kind="failure",
        title="Too large a step: it diverges",
        spec=PRESETS["A step that diverges"],
        look="Look at the verdict: a handful of steps, and it is over.",
        claim=r"Where the slope is steeper than the step allows, each step overshoots by more than the last. On a parabola of "
        r"curvature $k$ that begins at $\eta = 2/k$. The run stops there and keeps the last good step.",
    ),
    Lesson(
        kind="failure",
        title="Wells without walls",
        spec=replace(PRESETS["As in the article"], sample={"step_size": 0.05, "steps": 2000, "every": 10}),
        look="Watch the crowd thin out. How many particles are near a well at the end?",
        claim=r"Fewer than 1 in 8, and it goes on. Far from the wells $E = 0$, so $e^{-E} = 1$ and $Z = \infty$. The article says that "
        r"the particles end up distributed as $p$; here there is no $p$. Set Confinement above 0.",
    ),
)
