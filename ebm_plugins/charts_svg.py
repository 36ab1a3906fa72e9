"""The tabs' figures (plain Plotly dictionaries, see :mod:`ebm_plugins.curves`) as SVG that prints: no script, no request.

Lines, areas, markers, bars and heatmaps on two linear axes: what our own figures are made of. What else a trace may
be is left out.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ebm_plugins.palette import LIGHT

WIDTH, HEIGHT = 420, 230
LEFT, RIGHT, TOP, BOTTOM = 52, 10, 10, 42
FONT = "font-family=\"'Source Sans 3', 'Source Sans Pro', 'Segoe UI', Arial, sans-serif\""
MOST = 600  # points of a line: more cannot be seen at this size


def svg(figure: Mapping[str, Any], alt: str = "") -> str:
    """A figure's dictionary as one SVG image of 420 × 230."""
    traces = [t for t in figure.get("data", []) if t.get("type", "scatter") in ("scatter", "bar", "heatmap")]
    layout = figure.get("layout", {})
    names = _categories(traces)
    x = _span(_ends(traces, "x", names), layout.get("xaxis", {}), zero=False)
    y = _span(
        _ends(traces, "y", {}), layout.get("yaxis", {}), zero=any(t.get("type") == "bar" for t in traces)
    )

    def place(xs: Any, ys: Any) -> NDArray[Any]:
        across = (_numbers(xs, names) - x[0]) / (x[1] - x[0])
        up = (_numbers(ys, {}) - y[0]) / (y[1] - y[0])
        return np.column_stack(
            [LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)]
        )

    parts = [_axes(x, y, layout, names)]
    parts.append(
        f'<clipPath id="c"><rect x="{LEFT}" y="0" width="{WIDTH - LEFT - RIGHT}" height="{HEIGHT - BOTTOM}"/></clipPath>'
    )
    parts.append(
        '<g clip-path="url(#c)">' + "".join(_trace(t, place, y, len(names)) for t in traces) + "</g>"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{html.escape(alt, quote=True)}" {FONT}>{"".join(parts)}</svg>'
    )


def _trace(trace: Mapping[str, Any], place: Any, y: tuple[float, float], bars: int) -> str:
    kind = trace.get("type", "scatter")
    if kind == "heatmap":
        return _heatmap(trace, place)
    ys = np.asarray(trace.get("y", []), dtype=float)
    xs = trace.get("x", np.arange(len(ys)))
    if kind == "bar":
        width = (WIDTH - LEFT - RIGHT) / max(1, bars or len(ys)) * 0.7
        ground = place(np.asarray(xs)[:1] if len(ys) else [], [0.0] * min(1, len(ys)))
        colour = trace.get("marker", {}).get("color", LIGHT["model"])
        return "".join(
            f'<rect x="{a - width / 2:.1f}" y="{b:.1f}" width="{width:.1f}" height="{max(0.0, ground[0][1] - b):.1f}" '
            f'fill="{_colour(colour)}"/>'
            for a, b in place(xs, ys)
            if math.isfinite(b)
        )
    points = place(xs, ys)
    points = points[np.unique(np.linspace(0, max(0, len(points) - 1), min(len(points), MOST)).astype(int))]
    out = ""
    if trace.get("fill") == "tozeroy" and len(points):
        floor = HEIGHT - BOTTOM
        d = f"M{points[0][0]:.1f} {floor}" + "".join(
            f"L{a:.1f} {b:.1f}" for a, b in points if math.isfinite(b)
        )
        out += f'<path d="{d}L{points[-1][0]:.1f} {floor}z" fill="{_colour(trace.get("fillcolor", LIGHT["model"]))}"/>'
    line, mode = trace.get("line", {}), trace.get("mode", "lines")
    if "lines" in mode and line.get("width", 2) > 0:
        d, pen = "", "M"
        for a, b in points:
            if math.isfinite(a) and math.isfinite(b):
                d, pen = d + f"{pen}{a:.1f} {b:.1f}", "L"
            else:
                pen = "M"
        dash = ' stroke-dasharray="5 4"' if line.get("dash") not in (None, "solid") else ""
        faint = f' opacity="{float(trace.get("opacity", 1)):.2g}"' if "opacity" in trace else ""
        out += (
            f'<path d="{d}" fill="none" stroke="{_colour(line.get("color", LIGHT["model"]))}" '
            f'stroke-width="{float(line.get("width", 2)) * 0.8:.2g}" stroke-linejoin="round"{dash}{faint}/>'
        )
    if "markers" in mode:
        marker = trace.get("marker", {})
        colour = marker.get("color", LIGHT["model"])
        colour = _colour(colour if isinstance(colour, str) else LIGHT["model"])
        flat = str(marker.get("symbol", "")).startswith("line-ew")
        for a, b in points[np.isfinite(points).all(axis=1)]:
            out += (
                f'<path d="M{a - 9:.1f} {b:.1f}h18" stroke="{colour}" stroke-width="2.2"/>'
                if flat
                else f'<circle cx="{a:.1f}" cy="{b:.1f}" r="2.6" fill="{colour}"/>'
            )
    return out


def _heatmap(trace: Mapping[str, Any], place: Any) -> str:
    """Cells between the first and the last colour of their scale."""
    z = np.asarray(trace["z"], dtype=float)
    low, high = float(trace.get("zmin", np.nanmin(z))), float(trace.get("zmax", np.nanmax(z)))
    corners = place([-0.5, z.shape[1] - 0.5], [-0.5, z.shape[0] - 0.5])
    wide, tall = (corners[1] - corners[0]) / (z.shape[1], z.shape[0])
    share = np.clip((z - low) / ((high - low) or 1.0), 0, 1)
    return "".join(
        f'<rect x="{corners[0][0] + j * wide:.1f}" y="{corners[0][1] + (i + 1) * tall:.1f}" width="{wide:.1f}" '
        f'height="{-tall:.1f}" fill="{LIGHT["model"]}" fill-opacity="{share[i, j]:.2f}"/>'
        for i, j in zip(*np.nonzero(np.isfinite(z)), strict=True)
    )


def _axes(
    x: tuple[float, float], y: tuple[float, float], layout: Mapping[str, Any], names: Mapping[str, int]
) -> str:
    out = []
    for value in _ticks(*y):
        at = HEIGHT - BOTTOM - (value - y[0]) / (y[1] - y[0]) * (HEIGHT - TOP - BOTTOM)
        out.append(f'<path d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}" stroke="{LIGHT["hairline"]}"/>')
        out.append(_text(LEFT - 6, at + 4, _number(value), "end"))
    ticks = [(v, _number(v)) for v in _ticks(*x)] if not names else [(v, k) for k, v in names.items()]
    if names and len(ticks) * max(len(k) for _, k in ticks) > 60:
        ticks = ticks[:: max(1, len(ticks) * max(len(k) for _, k in ticks) // 60)]
    for value, text in ticks:
        at = LEFT + (value - x[0]) / (x[1] - x[0]) * (WIDTH - LEFT - RIGHT)
        out.append(_text(at, HEIGHT - BOTTOM + 16, text, "middle"))
    titles = [layout.get(f"{axis}axis", {}).get("title", {}) for axis in "xy"]
    titles = [t.get("text", "") if isinstance(t, Mapping) else str(t) for t in titles]
    out.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, titles[0], "middle"))
    middle = (TOP + HEIGHT - BOTTOM) / 2
    out.append(
        f'<g transform="translate(12 {middle:.0f}) rotate(-90)">{_text(0, 0, titles[1], "middle")}</g>'
    )
    return "".join(out)


def _text(x: float, y: float, text: str, anchor: str) -> str:
    words = html.escape(str(text))
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="11" fill="{LIGHT["muted"]}">{words}</text>'


def _colour(colour: str) -> str:
    return html.escape(str(colour), quote=True)


def _categories(traces: list[Any]) -> dict[str, int]:
    """Words along x, in their order."""
    found: dict[str, int] = {}
    for trace in traces:
        for value in trace.get("x", []) if trace.get("x") is not None else []:
            if not isinstance(value, str):
                break
            found.setdefault(value, len(found))
    return found


def _numbers(values: Any, names: Mapping[str, int]) -> NDArray[np.float64]:
    return np.array([names[v] if isinstance(v, str) else float(v) for v in values], dtype=float)


def _ends(traces: list[Any], axis: str, names: Mapping[str, int]) -> tuple[float, float]:
    found = []
    for trace in traces:
        if trace.get("type") == "heatmap":
            size = np.shape(trace["z"])[1 if axis == "x" else 0]
            found += [-0.5, size - 0.5]
            continue
        values = trace.get(axis)
        values = np.arange(len(trace.get("y", []))) if values is None else values
        numbers = _numbers(values, names)
        numbers = numbers[np.isfinite(numbers)]
        found += [float(numbers.min()), float(numbers.max())] if len(numbers) else []
    if not found:
        return 0.0, 1.0
    edge = 0.5 if names else 0.0
    return min(found) - edge, max(found) + edge


def _span(ends: tuple[float, float], axis: Mapping[str, Any], zero: bool) -> tuple[float, float]:
    given = axis.get("range")
    if (
        given is not None
        and len(given) == 2
        and all(isinstance(v, int | float) for v in given)
        and given[0] < given[1]
    ):
        return float(given[0]), float(given[1])
    low, high = ends
    if zero or axis.get("rangemode") == "tozero":
        low = min(low, 0.0)
    if not high > low:
        low, high = low - 0.5, high + 0.5
    return low, high + 0.04 * (high - low)


def _ticks(low: float, high: float) -> list[float]:
    raw = (high - low) / 4
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(m * size for m in (1, 2, 2.5, 5, 10) if m * size >= raw)
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, first + 12) if k * step <= high * (1 + 1e-9) + 1e-12 * step]


def _number(value: float) -> str:
    return f"{0.0 if abs(value) < 1e-12 else value:.4g}".replace("-", "−")
