"""Pictures of every page, for whoever changes how it looks: 390, 1440 and 2560 pixels wide, light and dark.

``python tests/browser/screenshots.py URL FOLDER [NAME ...]`` with a dashboard running at the URL. It makes
``FOLDER/NAME-WIDTH-SCHEME.png`` of every page, state and tab (or of those named).
No test: the looking is done by a person (see dashboard/DESIGN.md).
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from browser_tools import Visitor
from pages import places, settle, show, states, tabs
from playwright.sync_api import Error, sync_playwright

from ebm_plugins.registry import load

WIDTHS, SCHEMES, TALLEST = (390, 1440, 2560), ("light", "dark"), 9000
HEIGHT = "() => document.querySelector('[data-testid=stMain]').scrollHeight"


def shoot(page: Any, width: int, out: Path) -> None:
    """The whole page: Streamlit scrolls inside the window, so the window is made as high as what it holds."""
    page.set_viewport_size({"width": width, "height": 900})
    settle(page)
    page.set_viewport_size({"width": width, "height": min(TALLEST, int(page.evaluate(HEIGHT)) + 20)})
    page.wait_for_timeout(700)
    page.screenshot(path=out)


def main(url: str, folder: Path, only: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    executable = os.environ.get("EBM_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-gpu"]
        )
        for place in (*places(load(discover=False)), *states()):
            if only and place.name not in only:
                continue
            one = Visitor(browser, url, still=True)
            one.context.set_default_timeout(180_000)
            try:
                page = one.open(place.path, place.there)
                for tab in (tabs(page) if place.path == place.name else []) or [""]:
                    if tab:
                        show(page, tab)
                    for scheme in SCHEMES:
                        page.emulate_media(color_scheme=scheme)
                        for width in WIDTHS:
                            name = re.sub(r"\W+", "-", f"{place.name} {tab}".strip().lower())
                            shoot(page, width, folder / f"{name}-{width}-{scheme}.png")
                            print(name, width, scheme, flush=True)
            except Error as error:
                print(f"{place.name}: {error}", file=sys.stderr, flush=True)
            one.leave()
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
