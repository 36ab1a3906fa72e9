"""What to try on the Hopfield page, and what goes wrong there. tests/test_lessons.py runs each and holds it to its claim."""

from __future__ import annotations

from dataclasses import replace

from ebm_plugins import starts
from ebm_plugins.families.hopfield_text import PRESETS
from ebm_plugins.records import Lesson
from ebm_plugins.specs import RunSpec

# 24 patterns of 64 cells, each on with probability 1/2 (NumPy's default generator, seed 1)
RANDOM_PATTERNS = (
    "inline:8x8:LUv2GQsQixxjUFXfpFedH-APJa6GltbQv0Fgyr6B7xv7Z7PIOLmWY93mS6p7Q62I7rcW1xa3h5JrNoEHe6hO70O1p"
    "iAMr-TpVAXXz0Bnck42HpE24ixi5u18kyfEkJRspy5uSMTHuUgP2Jv_psyMELrDvY4BWshjVsWdpuQNTwtteVHEaH3nAyXCwCr85"
    "KRTs08YGTIY6G5vglAF0J1v_58ByT-A-PXCcFY_cY6-yZTotTLUu7VwuiSzICB-bKCr"
)
CROWDED = RunSpec(
    family="hopfield",
    dataset=RANDOM_PATTERNS,
    train={"rule": "hebb", "count": 24},
    start=starts.Data(rows=tuple(range(24))),
)
# Twelve cells come back whichever they are; of 19, as in the article, about one start in ten ends elsewhere.
SPOILT = replace(
    PRESETS["Three patterns, mended"], start=starts.Corrupted(rows=(0,), kind="flip", amount=12 / 64)
)
# A start that ends in a 2-cycle; of random ones four in ten do, and the others rest.
BLINKING = replace(PRESETS["All cells at once: a 2-cycle"], start=starts.Drawn(states="xH8"))

LESSONS = (
    Lesson(
        title="Mend a spoilt picture",
        spec=SPOILT,
        look="Watch the wrong cells turn, one by one. The energy line goes down at every flip.",
        claim="12 of 64 cells are wrong at the start and none at the end. The energy never rose: each flip took away "
        r"$2|h_i|$. *Click cells to spoil more of them.*",
    ),
    Lesson(
        title="Give half, get the whole",
        spec=PRESETS["Half is given"],
        look="The upper half is given and held. Watch the lower half.",
        claim="The lower half is found and the picture is the stored bar, cell for cell. No address was given, only a "
        "part of the content: that is a *content-addressable* memory.",
    ),
    Lesson(
        title="Warm memories",
        spec=PRESETS["Warm: Glauber against the exact answer"],
        look="Compare the bars (sampled) with the ticks (exact) in the Truth tab.",
        claim=r"At temperature $T$ a cell is on with probability $\sigma(2h_i/T)$. Then the network no longer rolls downhill: it "
        r"*samples* $e^{-E/T}$, as close to it as 300 draws can be.",
    ),
    Lesson(
        kind="failure",
        title="Past capacity",
        spec=CROWDED,
        look="24 random patterns are stored in 64 cells, and each start *is* one of them. Watch them walk away.",
        claim=r"None of the 24 stays. Hebb's rule holds about $0.138\,N$ random patterns, here 9: beyond it the others shout "
        "down each one. Set Count to 4 and all rest; or choose *Dense, exponential*, which holds all 24.",
    ),
    Lesson(
        kind="failure",
        title="Three patterns that overlap",
        spec=PRESETS["As in the article"],
        look="The patterns of *Mend a spoilt picture*, under Hebb's rule. Look at where it comes to rest.",
        claim="It rests in a state that is none of the three. They share 32 to 36 of their 64 cells, so each pulls on the others, "
        "and not one of them is a resting state. Few patterns are no help when they are alike.",
    ),
    Lesson(
        kind="failure",
        title="All cells at once",
        spec=BLINKING,
        look="Press play and watch the picture blink.",
        claim="Two states alternate for ever. The proof that the energy never rises needs one cell to move at a time; when all "
        "decide at once, each answers what the others *were*.",
    ),
)


__all__ = ["CROWDED", "LESSONS", "RANDOM_PATTERNS"]
