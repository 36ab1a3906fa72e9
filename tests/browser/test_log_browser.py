"""A visit in Chromium with a marked word in its link, its question, its upload's name and content and its headers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from browser_tools import STAGE, Visitor
from pages import settle

pytestmark = pytest.mark.browser

SECRET = "zqx7marked"


def test_a_visit_leaves_no_trace_in_the_log(serve: Callable[..., Any], browser: Any, tmp_path: Path) -> None:
    server = serve(env={"EBM_PLUGINS": "", "EBM_LOG": "json", "EBM_STORE": str(tmp_path / "store")})
    one = Visitor(browser, server.url)
    try:
        one.context.set_extra_http_headers({"X-Marked": SECRET, "User-Agent": SECRET})
        ask = quote(f"Is {SECRET} right?")
        page = one.open(f"langevin?{SECRET}={SECRET}&ask={ask}&seed={SECRET}&train.landscape={SECRET}", STAGE)
        settle(page)
        assert page.get_by_text(SECRET).count() >= 1  # it is named on the page
        page = one.open("dsm", STAGE)
        settle(page)
        page.get_by_text("Data and training").first.click()
        page.get_by_role("button", name="Own data").first.click()
        for name, content in (
            (f"{SECRET}.csv", f"x,y\n{SECRET},2\n"),
            (f"{SECRET}.npy", SECRET),
            (f"{SECRET}.png", SECRET),
        ):
            file = tmp_path / name
            file.write_text(content)
            page.locator("[data-testid=stFileUploader] input[type=file]").first.set_input_files(file)
            page.wait_for_timeout(1200)
        assert page.get_by_text(SECRET).count() >= 1  # the name of the file that was taken
    finally:
        one.leave()
    log = server.log.read_text()
    assert SECRET not in log, log[-2000:]
    assert "127.0.0.1:" not in log.replace(server.url, ""), "nobody's address either"
