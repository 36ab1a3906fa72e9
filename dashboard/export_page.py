"""The stage as one HTML file that needs nothing else: what it is, what it means, its link, and Plotly inside."""

from __future__ import annotations

import re
from html import escape

from dashboard.exports import export
from dashboard.stage import legend
from ebm_plugins.palette import DARK, ENERGY_DARK, ENERGY_LIGHT, LIGHT
from ebm_plugins.records import Run
from ebm_plugins.registry import Registry
from ebm_plugins.runs import result_digest, spec_digest

SIDE = "min(100vw - 32px, 720px)"
MODES = ["toImage", "zoom2d", "pan2d", "resetScale2d"]  # none of those that send the figure elsewhere
CHROME = 116  # pixels: how much higher than wide the figure is, so that what it draws is square

PAGE = """<!doctype html>
<html lang="en" data-theme="light">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: {head}</title>
<style>
{colours}
body {{ margin: 0; background: var(--page); color: var(--ink); font: 16px/1.6 "Source Sans", "Source Sans Pro", system-ui, sans-serif; }}
main {{ width: {side}; margin: 24px auto; }}
h1 {{ font: 600 32px/1.2 "Source Serif", Georgia, serif; margin: 0 0 8px; }}
p {{ margin: 0 0 12px; overflow-wrap: anywhere; }}
.legend {{ display: flex; flex-wrap: wrap; gap: 4px 16px; font-size: 14px; color: var(--muted); }}
.legend span {{ display: inline-flex; align-items: center; gap: 6px; }}
i {{ display: inline-block; }}
.disc {{ width: 9px; height: 9px; border-radius: 50%; }}
.dot {{ width: 11px; height: 11px; border-radius: 50%; }}
.cell {{ width: 13px; height: 13px; border-radius: 3px; }}
.line {{ width: 18px; height: 2px; }}
.scale {{ width: 44px; height: 9px; background: linear-gradient(90deg, var(--energies)); }}
footer {{ font-size: 14px; color: var(--muted); }}
footer a {{ color: var(--accent); }}
code {{ font: 13px/1.5 "Source Code", monospace; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p><b>{head}</b> {text}</p>
<p class="legend">{legend}</p>
{figure}
<footer>
<p>Open this run: <a href="{link}">{link}</a></p>
<p>Spec <code>{spec}</code> · Result <code>{result}</code></p>
</footer>
</main>
<script>
document.querySelector(".js-plotly-plot, .plotly-graph-div").on("plotly_buttonclicked", (event) => {{
  if (/^(Light|Dark)$/.test(event.button.label)) document.documentElement.dataset.theme = event.button.label.toLowerCase();
}});
</script>
</body>
</html>
"""


def page(run: Run, registry: Registry, link: str) -> str:
    """The file. It does not play by itself: Plotly would begin before its first drawing."""
    config = {"displaylogo": False, "responsive": True, "modeBarButtons": [MODES]}
    figure = export(run).to_html(
        full_html=False, include_plotlyjs=True, auto_play=False, config=config,
        default_width=SIDE, default_height=f"calc({SIDE} + {CHROME}px)",
    )  # fmt: skip
    said = run.verdict
    return PAGE.format(
        title=escape(registry.families[run.spec.family].title),
        head=escape(_bare(said.head) if said is not None else ""),
        text=escape(_bare(said.text) if said is not None else ""),
        colours=_variables(),
        side=SIDE,
        legend="".join(_mark(*mark) for mark in legend(run)),
        figure=figure,
        link=escape(link),
        spec=spec_digest(run.spec, registry),
        result=result_digest(run),
    )


def _bare(text: str) -> str:
    """A verdict without its Markdown."""
    return re.sub(r"[*`$]", "", text)


def _mark(shape: str, role: str, words: str) -> str:
    colour = "" if shape == "scale" else f' style="background: var(--{role})"'
    return f'<span><i class="{shape}"{colour}></i>{escape(words)}</span>'


def _variables() -> str:
    """Both palettes as CSS, by theme."""
    rules = []
    for theme, colours, energy in (("light", LIGHT, ENERGY_LIGHT), ("dark", DARK, ENERGY_DARK)):
        values = "".join(f"--{name}: {colour}; " for name, colour in colours.items())
        rules.append(f"[data-theme={theme}] {{ {values}--energies: {', '.join(energy)}; }}")
    return "\n".join(rules)
