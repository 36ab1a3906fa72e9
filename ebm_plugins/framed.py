"""A run's picture with what a reader needs beside it: title, legend, verdict, and the digest that names the run.

One SVG without a word of script and without a request, in the light or the dark colours; a page turns it into PNG.
"""

from __future__ import annotations

import html
import re

from ebm_plugins import panels
from ebm_plugins.palette import DARK, LIGHT
from ebm_plugins.records import Run
from ebm_plugins.registry import Registry
from ebm_plugins.runs import spec_digest
from ebm_plugins.spaces import BinaryGrid, Pairs, Plane

WIDTH, MARGIN, HEAD, FOOT = 640, 24, 76, 96
FONT = "'Source Sans 3', 'Source Sans Pro', 'Segoe UI', Arial, sans-serif"
PAIR = re.compile(r"light-dark\(([^,()]+),([^,()]+)\)")


def svg(run: Run, registry: Registry, *, dark: bool = False) -> tuple[str, int, int]:
    """(the picture, its width, its height) in pixels."""
    colours = DARK if dark else LIGHT
    across, up = (float(n) for n in panels.shape(run).split("/"))
    wide = WIDTH - 2 * MARGIN
    tall = round(wide * up / across)
    height = HEAD + tall + FOOT
    family = registry.families[run.spec.family]
    digest = spec_digest(run.spec, registry)
    sampler = registry.samplers.get(run.spec.sampler)
    under = " · ".join(
        dict.fromkeys((sampler.title if sampler else family.title, run.data.name or run.spec.dataset))
    )
    inner = still(run).replace("<svg ", f'<svg x="{MARGIN}" y="{HEAD}" width="{wide}" height="{tall}" ', 1)
    verdict = run.verdict.head if run.verdict is not None else ""
    parts = [
        f'<rect width="{WIDTH}" height="{height}" fill="{colours["page"]}"/>',
        _text(MARGIN, 38, family.title, 24, colours["ink"], bold=True),
        _text(MARGIN, 60, _cut(under, 88), 14, colours["muted"]),
        inner,
        _legend(run, HEAD + tall + 26, colours),
        _text(MARGIN, HEAD + tall + 52, _cut(verdict, 84), 14, colours["ink"]),
        _text(MARGIN, HEAD + tall + 78, f"spec {digest[:32]} · seed {run.spec.seed}", 12.5, colours["muted"]),
    ]
    whole = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        f'font-family="{FONT}">{"".join(parts)}</svg>'
    )
    return themed(whole, dark), WIDTH, height


def still(run: Run) -> str:
    """The stage's last moment, both themes in one (see :mod:`ebm_plugins.panels`)."""
    return panels.svg(run)


def themed(text: str, dark: bool) -> str:
    """An SVG in one theme: every pair of colours is settled."""
    return PAIR.sub(lambda pair: pair[2 if dark else 1], text)


def legend(run: Run) -> list[tuple[str, str]]:
    """(role, words) of what the picture shows."""
    if isinstance(run.space, Plane):
        found = [("model", "samples")]
        return [*found, ("energy", "energy, low (dark) to high")] if run.free is None else found
    if isinstance(run.space, Pairs):
        return [("energy", "energy of left with right, low (dark) to high")]
    return (
        [("model", "cell on"), ("off", "cell off")]
        if isinstance(run.space, BinaryGrid)
        else [("model", "samples")]
    )


def _legend(run: Run, y: float, colours: dict[str, str]) -> str:
    out, x = "", float(MARGIN)
    for role, words in legend(run):
        out += f'<rect x="{x:.0f}" y="{y - 11:.0f}" width="12" height="12" rx="3" fill="{colours[role]}"/>'
        out += _text(x + 18, y, words, 14, colours["muted"])
        x += 18 + 7.2 * len(words) + 22
    return out


def _text(x: float, y: float, words: str, size: float, colour: str, *, bold: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    plain = html.escape("".join(c if c.isprintable() else " " for c in words))
    return f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size:g}" fill="{colour}"{weight}>{plain}</text>'


def _cut(words: str, most: int) -> str:
    return words if len(words) <= most else words[: most - 1] + "…"
