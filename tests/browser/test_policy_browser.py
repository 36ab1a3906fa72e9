"""The security headers in Chromium: nothing of ours needs more than they allow, and what is not ours does not run."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_tools import STAGE
from pages import settle, show, tabs

from dashboard import web
from ebm_plugins.registry import Registry

pytestmark = pytest.mark.browser

WATCH = """document.addEventListener("securitypolicyviolation", (event) =>
  (window.refused ||= []).push(`${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}`));"""
REFUSED = "() => window.refused || []"
BUTTONS = "[data-testid=stDownloadButton] button"


def moment(page: Any) -> str:
    """Where the stage's clock stands."""
    return str(page.evaluate("() => window.stage().querySelector('input[type=range]').value"))


def test_a_page_that_plays_turns_dark_and_is_downloaded_asks_for_nothing_that_its_policy_refuses(
    visitor: Callable[..., Any], registry: Registry, tmp_path: Path
) -> None:
    """The first family's, with each of its tabs. (Of all pages: test_every_page, by what the console says.)"""
    one = visitor(scheme="light", still=False)
    one.context.add_init_script(WATCH)
    page = one.open(next(iter(registry.families)))
    settle(page)
    for tab in tabs(page):
        show(page, tab)
    page.get_by_role("button", name="To the start").click()
    before = moment(page)
    page.get_by_role("button", name="Play", exact=True).click()
    page.wait_for_function(
        "(before) => window.stage().querySelector('input[type=range]').value !== before", arg=before
    )
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(
        "() => getComputedStyle(document.querySelector('[data-testid=stApp]')).colorScheme === 'dark'"
    )
    with page.expect_download() as waited:
        page.locator(BUTTONS).first.click()
    waited.value.save_as(tmp_path / "download")
    assert (tmp_path / "download").stat().st_size > 100
    assert page.evaluate(REFUSED) == []


def test_what_is_put_into_a_page_does_not_run(visitor: Callable[..., Any]) -> None:
    """An element, a handler, a ``javascript:`` address, a script from elsewhere, a frame, a base, an object."""
    one = visitor()
    one.context.add_init_script(WATCH)
    page = one.open("plugins", "text=Write one")
    page.evaluate(
        """() => {
          window.ran = [];
          const put = (html) => document.body.insertAdjacentHTML("beforeend", html);
          const script = document.createElement("script");
          script.textContent = "window.ran.push('script')";
          document.body.append(script);
          const far = document.createElement("script");
          far.src = "http://127.0.0.1:9/elsewhere.js";
          document.body.append(far);
          put(`<img src="data:," onerror="window.ran.push('handler')">`);
          put(`<a id="link" href="javascript:window.ran.push('address')">x</a>`);
          put(`<iframe srcdoc="<script>parent.ran.push('frame')</script>"></iframe>`);
          put(`<object data="http://127.0.0.1:9/a.swf"></object>`);
          document.head.insertAdjacentHTML("beforeend", `<base href="http://127.0.0.1:9/">`);
          document.getElementById("link").click();
          fetch("http://127.0.0.1:9/steal", { mode: "no-cors" }).catch(() => {});
        }"""
    )
    page.wait_for_timeout(500)
    assert page.evaluate("() => window.ran") == []
    refused = {said.split()[0] for said in page.evaluate(REFUSED)}
    assert {"script-src-elem", "script-src-attr", "base-uri", "connect-src", "object-src"} <= refused
    assert not page.evaluate("() => document.baseURI.includes(':9/')")
    assert one.abroad == []  # 127.0.0.1:9 is refused before it is asked
    assert all("Content Security Policy" in fault for fault in one.faults), one.faults
    one.faults.clear()


def test_plotlys_drawing_by_webgl_is_why_text_may_be_compiled(visitor: Callable[..., Any]) -> None:
    """Without ``'unsafe-eval'`` Plotly says of such a trace that the browser has no WebGL: built-in families have it."""
    one = visitor()
    one.context.add_init_script(WATCH)
    page = one.open("plugins", "text=Write one")
    said = page.evaluate(
        """async (address) => {
          const script = document.createElement("script");
          script.src = address;
          const loaded = new Promise((done) => { script.onload = done; });
          document.head.append(script);
          await loaded;
          const place = document.body.appendChild(document.createElement("div"));
          await Plotly.newPlot(place, [{ type: "scattergl", mode: "markers", x: [1, 2], y: [1, 2] }]);
          return place.innerText;
        }""",
        web.plotly_url(),
    )
    assert "WebGL" not in said
    assert page.evaluate(REFUSED) == []


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Callable[[str], str]]:
    """``elsewhere(url)`` is the address of a page of another origin that shows ``url`` in a frame."""
    framed = {"url": ""}

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f'<!doctype html><iframe src="{framed["url"]}" width="900" height="700"></iframe>'.encode()
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=made.serve_forever, daemon=True).start()

    def address(url: str) -> str:
        framed["url"] = url
        return f"http://127.0.0.1:{made.server_port}/"

    yield address
    made.shutdown()
    made.server_close()


def test_a_page_of_another_origin_shows_ours_only_where_the_host_says_so(
    browser: Any, server: Any, serve: Callable[..., Any], elsewhere: Callable[[str], str]
) -> None:
    origin = elsewhere("").rstrip("/")
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(elsewhere(f"{server.url}/hopfield?embed=true"))
        page.wait_for_timeout(3000)
        assert page.frames[1].url.startswith("chrome-error:")
        let_in = serve(env={"EBM_PLUGINS": "", "EBM_FRAME_ANCESTORS": f"self {origin}"})
        page.goto(elsewhere(f"{let_in.url}/hopfield?embed=true"))
        page.frames[1].wait_for_selector(STAGE, timeout=60_000)
    finally:
        context.close()
