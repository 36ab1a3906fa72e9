"""The components' scripts and style sheets: files of this package, read at import and joined as they are.

Streamlit sends a component's script along with every new payload. So what it is given is a short one, which has the
browser fetch the real one from the app once and keep it.
"""

from __future__ import annotations

import json
from pathlib import Path

from dashboard import web
from ebm_plugins import palette

HERE = Path(__file__).resolve().parent
LOADER = """const module = import(new URL(URL_OF_THE_MODULE, document.baseURI).href);
module.catch(() => {});
export default function (component) {
  let end = null, over = false;
  module.then((made) => { if (!over) end = made.default(component); }, (error) => {
    component.parentElement.textContent = `This could not be loaded: ${error.message}. Load the page again.`;
  });
  return () => { over = true; if (end) end(); };
}
"""


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


def module(name: str, *names: str) -> str:
    """The script of a component whose module is the named files of ``js/``, served by the app."""
    return LOADER.replace("URL_OF_THE_MODULE", json.dumps(web.module_url(name, script(*names))))


def style(*names: str) -> str:
    """The named files of ``css/`` as one sheet."""
    return "\n".join((HERE / "css" / f"{name}.css").read_text(encoding="utf-8") for name in names)
