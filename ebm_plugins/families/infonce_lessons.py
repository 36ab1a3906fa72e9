"""What to try on the InfoNCE page, and what goes wrong there. tests/test_lessons.py runs each and holds it to its claim."""

from __future__ import annotations

from ebm_plugins import starts
from ebm_plugins.families.infonce_text import PRESETS
from ebm_plugins.records import Lesson
from ebm_plugins.specs import RunSpec


def _digits(
    train: dict[str, object], sample: dict[str, object] | None = None, data: str = "digits"
) -> RunSpec:
    return RunSpec(
        family="infonce", dataset=data, train=train, sample=sample or {}, start=starts.Noise(n=320)
    )


LESSONS = (
    Lesson(
        title="Give digits their names",
        spec=_digits({"steps": 600}, data="digits-named"),
        look="Keys are the ten names. Each image draws one: low energy first.",
        claim="For more than 90 of 100 images that it has never seen, the nearest name is the right one. Chance would be 10. "
        "Nobody trained a classifier: it only learned which pairs belong together.",
    ),
    Lesson(
        title="Retrieve in the cold",
        spec=_digits({"steps": 300}, {"temperature": 0.01}),
        look=r"Every query draws among 64 keys. Move Temperature from 0.01 to 20.",
        claim=r"At $T = 0.01$ more than 95 of 100 draws are the nearest key. Warm, they spread over all keys. Retrieval is "
        r"sampling from $e^{-E/T}$, and search is its cold limit.",
    ),
    Lesson(
        title="A bound below the truth",
        spec=PRESETS["Gaussian pairs: a bound against the truth"],
        look="The held-out bound in the Training tab rises, and stops.",
        claim=r"These pairs share exactly $-\tfrac52 \ln(1 - 0.9^2) = 4.15$ nats. The bound among 64 keys comes to 3.2 or so: below the "
        r"truth, and below $\log 64 = 4.16$, always.",
    ),
    Lesson(
        kind="failure",
        title="Stuck at log K",
        spec=_digits(
            {
                "steps": 300, "batch": 64, "temperature": 0.05, "learn_temperature": False,
                "shift": 0, "brightness": 0.0, "dropped": 0.0, "noise": 0.0,
            }
        ),
        look="Both views of a digit are now the same image. The held-out bound in the Training tab goes up to a line and stays.",
        claim=r"Every key is found, and the bound is $\log 64 = 4.16$ nats, to 1 %. But copies of 1,300 different images share "
        r"$\log 1300 = 7.17$. Picking 1 of $K$ can never show more than $\log K$: only more keys help.",
    ),
    Lesson(
        kind="failure",
        title="Perfectly aligned, and useless",
        spec=_digits({"steps": 300, "dropped": 0.9, "noise": 1.0}),
        look="Views with nine of ten pixels gone. Compare alignment with the share of keys that are found.",
        claim="The two views lie closer together than for views that can be told apart, and yet the own key is found about once in 64, by chance: everything "
        "has gone to nearly one point. Pulling together is easy. Alignment says nothing without uniformity.",
    ),
    Lesson(
        kind="failure",
        title="Too warm to tell",
        spec=_digits({"steps": 300, "temperature": 10.0, "learn_temperature": False}),
        look=r"The held-out bound, at a fixed $\tau = 10$.",
        claim=r"Similarities lie between −1 and 1, so energies differ by at most $2/\tau = 0.2$, and a softmax of those is nearly flat. The "
        r"bound stays under 0.2 nats, however well the encoders know. CLIP learns $\tau$ for this reason.",
    ),
)  # fmt: skip
