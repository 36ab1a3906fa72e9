"""How high a stage will be, before it is there: so that nothing on the page jumps when it comes.

The numbers are those of ``css/stage.css``: head 30, transport 44, film 102, gaps 12.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

# Of each kind: the view's height beside its figures, its greatest height above them, and how much higher than the
# window is wide it is on a phone; and the figures that it mostly has.
VIEWS = {
    "plane": (494, 554, 54),  # its tools have a line of their own there
    "cells": (372, 460, -32),
    "images": (372, 460, -32),
    "scatter": (498, 558, -34),
    "pairs": (420, 480, 62),
}
STEP, MOST = 50, 4000  # pixels: how exactly a table's room is kept, and the most of it
TALLEST = 1200  # of a figure's
WIDTHS = (150, 170, 230, 420, 800)
USUAL = {
    "plane": ("bars", "line"),
    "cells": ("line", "overlaps"),
    "images": ("line",),
    "scatter": ("line",),
    "pairs": ("line",),
}


def rules(
    selector: str,
    kind: str,
    charts: Sequence[str] | None = None,
    many: bool = False,
    table: tuple[int, int] = (0, 0),
) -> str:
    """The least height of ``selector`` for a stage of this kind with these figures, in three widths of window; a
    ``table`` of so many rows and columns is known exactly on a phone."""
    charts = USUAL[kind] if charts is None else charts
    side = sum(182 if chart == "bars" else 238 for chart in charts) + (4 if charts else -12)
    film = {"cells": 88 if many else 114, "images": 88}.get(kind, 0)
    frame = 30 + 12 + 12 + 44 + film
    main, most, edge = VIEWS[kind]
    stacked = frame + 12 + side
    phone = stacked + 44  # the transport has two rows there
    small = f"min(100vw + {edge + phone}px, {most + phone}px)"
    if table[1]:  # its heads 40, under it the pairs that are held in two rows: the same sums as in pairs.js
        small = f"calc({phone}px + max(360px, 176px + {table[0]}*min(44px, (100vw - 72px)/{table[1]})))"
    return (
        f"{selector}{{min-height:{_rem(main + frame)}}}"
        f"@media(max-width:1159px){{{selector}{{min-height:{most - 50 + stacked}px}}}}"
        f"@media(max-width:640px){{{selector}{{min-height:{small}}}}}"
    )


def of(key: str, payload: Mapping[str, Any]) -> str:
    """The rules for the stage (or container) under this key, with exactly what the payload holds. What was
    kept by :func:`host` is let go."""
    selector = ".st-key-" + re.sub(r"[^a-zA-Z0-9_-]", "-", key.strip())
    charts = [chart["type"] for chart in payload["charts"]]
    table = (payload["left"]["count"], payload["right"]["count"]) if payload["kind"] == "pairs" else (0, 0)
    exact = rules(selector, payload["kind"], charts, payload.get("shown", 1) > 1, table)
    return f'{exact}[class*="host-"]:has({selector}){{min-height:0!important}}'


def host(name: str, kind: str) -> str:
    """A key for the container that a stage of this kind will come into: its height is kept from the first paint."""
    return f"{name} host-{kind}"


def _rem(px: float) -> str:
    """So many pixels, and more where all is larger (see ``dashboard/head.py``)."""
    return f"{px / 16:g}rem"


def tall(name: str, px: float) -> str:
    """A key for the container of a figure that will be so many pixels high, in tens."""
    return f"{name} tall-{min(TALLEST, 10 * math.ceil(px / 10))}-"


def across(name: str, px: int) -> str:
    """A key for a container that is so many pixels wide, more where all is larger: one of :data:`WIDTHS`."""
    assert px in WIDTHS
    return f"{name} across-{px}-"


def room(name: str, wide: float, narrow: float) -> str:
    """A key for a container of which is known how high it will be, nearly, on a wide page and on a narrow one: that
    much is kept from the first paint, in steps of :data:`STEP` pixels."""
    whole = [min(MOST, int(height // STEP) * STEP) for height in (wide, narrow)]
    return f"{name} wide-{whole[0]}- narrow-{whole[1]}-"


def styles() -> str:
    """The rules for every container whose key :func:`host` or :func:`room` made."""
    hosts = "".join(
        rules(f'[class*="host-{kind}"]{inside}', kind)
        for kind in VIEWS
        for inside in ("", ' [data-testid="stSkeleton"]')
    )
    steps = range(STEP, MOST + 1, STEP)
    wide, narrow = (
        "".join(f'[class*="{name}-{px}-"]{{min-height:{_rem(px)}}}' for px in steps)
        for name in ("wide", "narrow")
    )
    figures = "".join(f'[class*="tall-{px}-"]{{min-height:{_rem(px)}}}' for px in range(10, TALLEST + 1, 10))
    widths = "".join(
        f':has(>[class*="across-{px}-"]),[class*="across-{px}-"]{{width:{_rem(px)}!important}}'
        for px in WIDTHS
    )
    return f"{hosts}{figures}{widths}@media(min-width:841px){{{wide}}}@media(max-width:840px){{{narrow}}}"
