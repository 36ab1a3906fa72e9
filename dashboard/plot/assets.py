"""The components' scripts and style sheets: files of this package, read at import and joined as they are."""

from __future__ import annotations

import json
from pathlib import Path

from ebm_plugins import palette

HERE = Path(__file__).resolve().parent


def script(*names: str) -> str:
    """The named files of ``js/`` as one module, after the palette that they all use."""
    colours = {
        "light": palette.LIGHT,
        "dark": palette.DARK,
        "energy": {"light": palette.ENERGY_LIGHT, "dark": palette.ENERGY_DARK},
        "categories": {"light": palette.CATEGORIES_LIGHT, "dark": palette.CATEGORIES_DARK},
    }
    parts = [f"const PALETTE = {json.dumps(colours)};"]
    parts += [(HERE / "js" / f"{name}.js").read_text(encoding="utf-8") for name in names]
    return "\n".join(parts)


def style(*names: str) -> str:
    """The named files of ``css/`` as one sheet."""
    return "\n".join((HERE / "css" / f"{name}.css").read_text(encoding="utf-8") for name in names)
