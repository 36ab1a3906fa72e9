"""Home's charts, each with its text alternative."""

from __future__ import annotations

import math
from typing import Any

from ebm_plugins import wells1d
from ebm_plugins.palette import LIGHT
from ebm_plugins.wells1d import Wells

Chart = tuple[dict[str, Any], str]
THIN = "\u202f"
FLOOR, CEILING = -4.2, 2.0  # what the energy's chart shows
CASES = (("1-D line", 1), ("2-D plane", 2), ("3-D", 3), ("9 pixels", 9), ("64 pixels", 64))
ATOMS = 80  # log₁₀ of the atoms in the observable universe, by the usual estimate
SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def energy(solved: Wells) -> Chart:
    """E over x, on a scale that does not move, so that a deeper well looks deeper."""
    floor = {
        "x": solved.x,
        "y": [FLOOR] * len(solved.x),
        "mode": "lines",
        "line": {"width": 0},
        "hoverinfo": "skip",
    }
    curve = _curve(solved.x, solved.energy, "energy", 0.12, "E = %{y:.2f}", fill="tonexty")
    alt = "Energy over x: " + " and ".join(
        f"a well at x = {minus(x)} with energy {minus(e)}"
        for x, e in zip(solved.bottoms, solved.lowest, strict=True)
    )
    return {"data": [floor, curve], "layout": _layout([FLOOR, CEILING])}, alt + "."


def weight(solved: Wells) -> Chart:
    """exp(−E/T) over x."""
    top = float(solved.weight.max())
    curve = _curve(solved.x, solved.weight, "muted", 0.14, "weight %{y:.3s}")
    layout = _layout([0, top * 1.1])
    layout["yaxis"]["exponentformat"] = "power"
    return {
        "data": [curve],
        "layout": layout,
    }, f"Boltzmann weight over x, at most {number(top)}; area {number(solved.partition)}."


def probability(solved: Wells) -> Chart:
    """p over x, each well marked with its share."""
    top = float(solved.probability.max())
    curve = _curve(solved.x, solved.probability, "truth", 0.1, "p = %{y:.3f}")
    layout = _layout([0, top * 1.2])
    layout["annotations"] = [
        {
            "x": x,
            "y": peak,
            "text": percent(share),
            "showarrow": False,
            "yshift": 11,
            "font": {"size": 13, "color": LIGHT["ink"]},
        }
        for x, peak, share in zip(solved.bottoms, solved.peaks, solved.shares, strict=True)
    ]
    return {"data": [curve], "layout": layout}, f"Probability over x: {split(solved)}."


def cost() -> Chart:
    """Evaluations that Z takes, on a logarithmic axis from a line to a picture of 64 pixels."""
    powers = [wells1d.log10_cost(dim) for _, dim in CASES]
    names = [name for name, _ in CASES]
    said = [large(power) for power in powers]
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": powers,
        "y": names,
        "text": said,
        "textposition": "outside",
        "cliponaxis": False,
        "textfont": {"size": 13, "color": LIGHT["ink"]},
        "marker": {"color": LIGHT["muted"]},
        "hovertemplate": "%{text} evaluations<br>%{y}<extra></extra>",
    }
    layout = {
        "margin": {"l": 76, "r": 84, "t": 6, "b": 28, "pad": 6},
        "bargap": 0.5,
        "xaxis": {
            "range": [0, 150],
            "tickvals": [0, ATOMS, 150],
            "ticktext": ["1", "10" + str(ATOMS).translate(SUPERSCRIPTS), "10¹⁵⁰"],
            "showgrid": False,
        },
        "yaxis": {
            "autorange": "reversed",
            "showgrid": False,
            "tickfont": {"size": 13, "color": LIGHT["ink"]},
        },
        "shapes": [
            {
                "type": "line",
                "x0": ATOMS,
                "x1": ATOMS,
                "y0": 0,
                "y1": 1,
                "yref": "paper",
                "layer": "below",
                "line": {"color": LIGHT["muted"], "width": 1, "dash": "dot"},
            }
        ],
    }
    alt = "Evaluations for Z: " + ", ".join(f"{n} {s}" for n, s in zip(names, said, strict=True))
    return {"data": [bars], "layout": layout}, f"{alt}. The atoms in the universe: 10 to the {ATOMS}."


def _curve(
    x: Any, y: Any, colour: str, opacity: float, hover: str, *, fill: str = "tozeroy"
) -> dict[str, Any]:
    """A line with a tinted area below it."""
    channels = ",".join(str(int(LIGHT[colour][i : i + 2], 16)) for i in (1, 3, 5))
    return {
        "x": x,
        "y": y,
        "mode": "lines",
        "line": {"color": LIGHT[colour], "width": 2.25, "simplify": False},
        "fill": fill,
        "fillcolor": f"rgba({channels},{opacity})",
        "hovertemplate": f"{hover}<br>x = %{{x:.2f}}<extra></extra>",
    }


def _layout(limits: list[float]) -> dict[str, Any]:
    return {
        "margin": {"l": 40, "r": 6, "t": 10, "b": 28, "pad": 4},
        "xaxis": {"tickvals": [-4, -2, 0, 2, 4], "ticktext": ["−4", "−2", "0", "2", "4"], "range": [-6, 6]},
        "yaxis": {"range": limits, "nticks": 5},
        "hovermode": "x",
    }


def split(solved: Wells) -> str:
    """Who holds how much."""
    if len(solved.shares) == 1:
        return "one well holds it all"
    left, right = (percent(share) for share in solved.shares)
    return f"left {left}, right {right}"


def percent(share: float) -> str:
    """``42 %``; ends that are not reached are not claimed."""
    text = f"{100 * share:.0f}"
    if text == "100" and share < 1:
        text = f"{math.floor(1000 * share) / 10:.1f}" if share < 0.9995 else "> 99.9"
    elif text == "0" and share > 0:
        text = f"{100 * share:.1f}" if share >= 0.0005 else "< 0.1"
    return f"{text}{THIN}%"


def number(value: float) -> str:
    """Four significant digits; thousands apart; large ones as a power."""
    if value >= 1e6:
        power = math.floor(math.log10(value))
        return f"{value / 10**power:.2f} × 10{str(power).translate(SUPERSCRIPTS)}"
    if value >= 1000:
        return f"{value:,.0f}".replace(",", THIN)
    return f"{value:.2f}" if value >= 10 else f"{value:.3f}"


def tex(value: float) -> str:
    """The same number inside LaTeX."""
    if value >= 1e6:
        power = math.floor(math.log10(value))
        return rf"{value / 10**power:.2f} \times 10^{{{power}}}"
    return number(value).replace(THIN, r"\,")


def large(power: float) -> str:
    """10^power in words and digits: ``200``, ``40 000``, ``8 million``, ``5 × 10²⁰``."""
    if power < 6:
        return f"{round(10**power):,}".replace(",", THIN)
    if power < 9:
        return f"{10 ** (power - 6):.0f} million"
    whole = math.floor(power)
    return f"{10 ** (power - whole):.0f} × 10{str(whole).translate(SUPERSCRIPTS)}"


def minus(value: float) -> str:
    """Two decimals with a real minus sign."""
    return f"{value:.2f}".replace("-", "−")
