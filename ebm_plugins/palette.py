"""The colours by meaning, light and dark: one meaning each, everywhere.

A figure of a family names a colour by its light value (``LIGHT["model"]``); the page turns every value of
:data:`LIGHT` into the value of :data:`DARK` at the same name when it is dark. So a figure is written once.
"""

from __future__ import annotations

LIGHT: dict[str, str] = {
    "page": "#FFFFFF",
    "surface": "#F5F6F8",
    "hairline": "#DFE3E9",
    "ink": "#1A1E26",
    "truth": "#1A1E26",
    "muted": "#59616E",
    "accent": "#4F46C8",
    "model": "#C7460A",
    "data": "#0B7A6F",
    "rejected": "#868E9A",
    "energy": "#1B4F94",
    "off": "#E4E8EE",
    "halo": "#FFFFFF",
}
DARK: dict[str, str] = {
    "page": "#101317",
    "surface": "#1A1F26",
    "hairline": "#2D3540",
    "ink": "#ECEFF4",
    "truth": "#ECEFF4",
    "muted": "#A2ABB8",
    "accent": "#A5A0FF",
    "model": "#FF9A5A",
    "data": "#7AE0B0",
    "rejected": "#7D8796",
    "energy": "#6FA0EE",
    "off": "#262D37",
    "halo": "#0B0E13",
}
# Energy, low to high: dark is deep in both themes.
ENERGY_LIGHT = ("#0A1C3F", "#16356B", "#285896", "#4A7CB8", "#7CA3D2", "#AFC8E5", "#D9E5F2", "#F3F6FA")
ENERGY_DARK = ("#03050A", "#081122", "#10203C", "#193154", "#23426B", "#305480", "#3D6592", "#4A74A0")
# Two or more methods in one figure: at most six, always with a dash and a direct label.
CATEGORIES_LIGHT = ("#C7460A", "#1740A0", "#2B827C", "#6B1748", "#4A4208", "#9A45E0")
CATEGORIES_DARK = ("#FF9A5A", "#BCD2FD", "#1DA59C", "#F2488F", "#EDE1C9", "#8C66F5")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")


def scale(colours: tuple[str, ...]) -> list[list[float | str]]:
    """Evenly spaced Plotly colour scale ``[[0, c0], ..., [1, cn]]``."""
    last = len(colours) - 1
    return [[i / last, colour] for i, colour in enumerate(colours)]


def signed(colours: dict[str, str] = LIGHT) -> list[list[float | str]]:
    """Scale for signed values, symmetric about 0: energy blue, surface, model orange."""
    return [[0.0, colours["energy"]], [0.5, colours["surface"]], [1.0, colours["model"]]]


def to_dark(figure_json: str) -> str:
    """The same figure (as JSON text) with every colour of the light palette turned dark."""
    pairs = [(LIGHT[k], DARK[k]) for k in LIGHT if k not in ("page", "halo")]
    pairs += zip(ENERGY_LIGHT, ENERGY_DARK, strict=True)
    pairs += zip(CATEGORIES_LIGHT, CATEGORIES_DARK, strict=True)
    for light, dark in pairs:
        figure_json = figure_json.replace(light, dark)
    return figure_json
