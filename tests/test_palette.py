"""The colours by meaning can be read and told apart, by people who see colours differently too.

Contrast is WCAG 2's; distances are CIEDE2000 (Sharma, Wu and Dalal 2005) after the simulation of Machado, Oliveira and
Fernandes (2009) at full severity, applied to linear RGB. The least distances are those that the palette was made for.
"""

from __future__ import annotations

import itertools
import math
import tomllib
from pathlib import Path

import numpy as np
import pytest

from ebm_plugins import palette

THEMES = {"light": palette.LIGHT, "dark": palette.DARK}
ENERGIES = {"light": palette.ENERGY_LIGHT, "dark": palette.ENERGY_DARK}
CATEGORIES = {"light": palette.CATEGORIES_LIGHT, "dark": palette.CATEGORIES_DARK}
SIGHT = {
    "normal": np.eye(3),
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritan": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
ROLES = ("truth", "model", "data", "rejected", "energy")
LEAST_ROLES = {
    "light": {"normal": 23, "protan": 14, "deutan": 14, "tritan": 13},
    "dark": {"normal": 16, "protan": 16, "deutan": 15, "tritan": 14},
}
LEAST_CATEGORIES = {"light": (16, 11), "dark": (14, 14)}  # of the first four, of all six
LEAST_ON_ENERGY = {"light": 43, "dark": 46}
LEAST_HALO = {"light": 2.6, "dark": 3.2}


def linear(colour: str) -> np.ndarray:
    """Linear RGB (3,) in 0..1 of ``#RRGGBB``."""
    value = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """(L₁ + 0.05) / (L₂ + 0.05) with L the relative luminance, the lighter one first."""
    weights = np.array([0.2126, 0.7152, 0.0722])
    low, high = sorted(float(linear(c) @ weights) for c in (one, other))
    return (high + 0.05) / (low + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* under D65 of linear RGB."""
    matrix = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    )  # fmt: skip
    x = matrix @ np.clip(rgb, 0, 1) / np.array([0.95047, 1.0, 1.08883])
    f = np.where(x > (6 / 29) ** 3, np.cbrt(x), x / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def ciede2000(one: np.ndarray, other: np.ndarray) -> float:
    """ΔE₀₀ of two colours in L*a*b*."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    mean = (math.hypot(a1, b1) + math.hypot(a2, b2)) / 2
    g = 0.5 * (1 - math.sqrt(mean**7 / (mean**7 + 25**7)))
    a1, a2 = a1 * (1 + g), a2 * (1 + g)
    c1, c2 = math.hypot(a1, b1), math.hypot(a2, b2)
    h1, h2 = (math.degrees(math.atan2(b, a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = 0.0 if c1 * c2 == 0 else (h2 - h1 + 180) % 360 - 180
    dl, dc, dh = l2 - l1, c2 - c1, 2 * math.sqrt(c1 * c2) * math.sin(math.radians(turn / 2))
    level, c = (l1 + l2) / 2, (c1 + c2) / 2
    h = h1 + h2 if c1 * c2 == 0 else (h1 + turn / 2) % 360
    t = (
        1 - 0.17 * math.cos(math.radians(h - 30)) + 0.24 * math.cos(math.radians(2 * h))
        + 0.32 * math.cos(math.radians(3 * h + 6)) - 0.20 * math.cos(math.radians(4 * h - 63))
    )  # fmt: skip
    sl = 1 + 0.015 * (level - 50) ** 2 / math.sqrt(20 + (level - 50) ** 2)
    sc, sh = 1 + 0.045 * c, 1 + 0.015 * c * t
    twist = (
        -math.sin(math.radians(60 * math.exp(-(((h - 275) / 25) ** 2))))
        * 2
        * math.sqrt(c**7 / (c**7 + 25**7))
    )
    return math.sqrt((dl / sl) ** 2 + (dc / sc) ** 2 + (dh / sh) ** 2 + twist * (dc / sc) * (dh / sh))


def apart(one: str, other: str, sight: str) -> float:
    seen = [lab(np.clip(SIGHT[sight] @ linear(c), 0, 1)) for c in (one, other)]
    return ciede2000(*seen)


def least(colours: tuple[str, ...], sight: str) -> float:
    return min(apart(a, b, sight) for a, b in itertools.combinations(colours, 2))


def test_the_measures_are_right() -> None:
    """Pairs 1, 7, 17, 24 and 25 of Sharma, Wu and Dalal (2005), table 1; black on white is 21."""
    pairs = [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 0, 0), (50, -1, 2), 2.3669),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((63.0109, -31.0961, -5.8663), (62.8187, -29.7946, -4.0864), 1.2630),
    ]
    for one, other, expected in pairs:
        assert ciede2000(np.array(one), np.array(other)) == pytest.approx(expected, abs=1e-4)
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert lab(linear("#FFFFFF")) == pytest.approx([100, 0, 0], abs=0.02)
    assert all(
        matrix.sum(axis=1) == pytest.approx(1, abs=1e-5) for matrix in SIGHT.values()
    )  # gray stays gray


@pytest.mark.parametrize("theme", THEMES)
def test_every_text_can_be_read_where_it_stands(theme: str) -> None:
    """4.5:1 for every colour that text has (panel titles and end labels in a role's own colour included), on the page
    and on raised surfaces; 3:1 for marks; buttons' words on the accent, and cells that are on against those off."""
    colours = THEMES[theme]
    for name in ("ink", "truth", "muted", "accent", "model", "data", "energy"):
        for ground in ("page", "surface"):
            assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)
    for colour in CATEGORIES[theme]:
        assert contrast(colour, colours["page"]) >= 4.5, colour
    assert contrast(colours["rejected"], colours["page"]) >= 3
    assert contrast(colours["model"], colours["off"]) >= 3
    assert contrast(colours["data"], colours["off"]) >= 3
    assert contrast(colours["page"], colours["accent"]) >= 4.5


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("theme", THEMES)
def test_the_roles_are_told_apart_however_colours_are_seen(theme: str, sight: str) -> None:
    """Rounded as they are stated: half a unit is below what anybody sees."""
    roles = tuple(THEMES[theme][name] for name in ROLES)
    assert round(least(roles, sight)) >= LEAST_ROLES[theme][sight]
    first, all_of_them = LEAST_CATEGORIES[theme]
    assert round(least(CATEGORIES[theme][:4], sight)) >= first
    assert round(least(CATEGORIES[theme], sight)) >= all_of_them


@pytest.mark.parametrize("theme", THEMES)
def test_a_sample_is_seen_on_every_energy(theme: str) -> None:
    """By its hue, or else by its halo; and the scale itself rises in lightness all the way."""
    colours, stops = THEMES[theme], ENERGIES[theme]
    assert min(round(apart(colours["model"], stop, "normal")) for stop in stops) >= LEAST_ON_ENERGY[theme]
    for stop in stops:
        best = max(contrast(colours["model"], stop), contrast(colours["halo"], stop))
        assert round(best, 1) >= LEAST_HALO[theme], stop
    lightness = [lab(linear(stop))[0] for stop in stops]
    assert all(after - before > 2 for before, after in itertools.pairwise(lightness))


def test_streamlit_is_told_the_same_colours(root: Path) -> None:
    """One palette: the theme's page, surface, text and accent are ours, and its gray words can be read on their badge."""
    theme = tomllib.loads((root / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["theme"]
    ours = {
        "page": "backgroundColor", "surface": "secondaryBackgroundColor", "ink": "textColor",
        "accent": "primaryColor", "hairline": "borderColor", "muted": "grayTextColor",
    }  # fmt: skip
    for name, colours in THEMES.items():
        for role, option in ours.items():
            assert theme[name][option] == colours[role], (name, option)
        assert tuple(theme[name]["chartCategoricalColors"][:6]) == CATEGORIES[name]
        assert contrast(theme[name]["grayTextColor"], theme[name]["grayBackgroundColor"]) >= 4.5
        assert contrast(theme[name]["linkColor"], theme[name]["backgroundColor"]) >= 4.5
        assert contrast(theme[name]["codeTextColor"], theme[name]["codeBackgroundColor"]) >= 4.5
