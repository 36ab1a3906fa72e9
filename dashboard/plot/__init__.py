"""Components that draw in place: any Plotly figure, the stage, and Home's wells and the cost of their sum.

``figure(fig, key=..., height=..., alt=...)`` draws a figure with Plotly.react: zoom is kept, light or dark is
chosen in the browser, clicks on anything are reported.
``stage(payload, key=...)`` draws what :func:`dashboard.stage.payload` made of a run: it moves by itself, and
returns a :class:`StartEdit` when the user changed the start. A container under the key
``host(name, kind)`` keeps its height free from the first paint on. ``save_picture(...)`` is a button that saves an SVG
as PNG, ``copy_link(text)`` one that copies a text.
"""

from __future__ import annotations

from dashboard.plot.copying import copy_link
from dashboard.plot.cost import cost
from dashboard.plot.figures import Click, figure
from dashboard.plot.heights import host
from dashboard.plot.pictures import save_picture
from dashboard.plot.stages import KINDS, StartEdit, edited, stage
from dashboard.plot.well_editor import Setting, wells

__all__ = [
    "KINDS",
    "Click",
    "Setting",
    "StartEdit",
    "copy_link",
    "cost",
    "edited",
    "figure",
    "host",
    "save_picture",
    "stage",
    "wells",
]
