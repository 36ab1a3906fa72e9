"""What tests of pages in Chromium look with: a visitor, and a watch that runs inside the page."""

from __future__ import annotations

import re
import time
from typing import Any
from urllib.parse import urlsplit

STAGE = ".stage[data-ready=yes]"
TITLE = "[data-testid=stHeading] h1"

# Marks, in ms since the navigation began, when something was first painted: the head, what keeps the stage's place,
# the stage itself. A mark is set in a task after the frame in which the thing was first there, so it is painted.
# Beside them: every layout shift that no input caused, and how long the frames took.
WATCH = """(() => {
  const seen = window.watch = { marks: {}, shift: 0, shifts: [] };
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) {
      seen.shift += entry.value;
      const moved = entry.sources.map((s) => [(s.node && (s.node.className || s.node.nodeName)) + "",
        s.previousRect.y, s.currentRect.y, s.previousRect.height, s.currentRect.height]);
      seen.shifts.push({ at: entry.startTime, value: entry.value, moved });
    }
  }).observe({ type: "layout-shift", buffered: true });
  const hosts = () => [...document.querySelectorAll("[data-testid=stBidiComponentIsolated]")];
  window.stage = () => hosts().map((h) => h.shadowRoot && h.shadowRoot.querySelector(".stage")).find(Boolean);
  const there = {
    head: () => document.querySelector("[data-testid=stHeading] h1"),
    place: () => document.querySelector('[class*="host-"]'),
    alive: () => window.stage()?.dataset.ready === "yes",
  };
  const look = () => {
    for (const name in there) if (!(name in seen.marks) && there[name]()) {
      seen.marks[name] = null;
      requestAnimationFrame(() => setTimeout(() => { seen.marks[name] = performance.now(); }));
    }
    if (!seen.marks.alive) requestAnimationFrame(look);
  };
  look();
})();"""

# Streamlit asks for these under a deep link's path before it finds its root (streamlit-notes, section 2).
NOT_OURS = re.compile(r"/_stcore/(health|host-config)$")


class Visitor:
    """One browser context: what it received, what went wrong, and where its requests went."""

    def __init__(
        self, browser: Any, url: str, *, width: int = 1440, scheme: str = "light", still: bool = True
    ) -> None:
        self.url, self.faults, self.abroad, self.received = url, [], [], 0
        self.context = browser.new_context(
            viewport={"width": width, "height": 900 if width > 640 else 844},
            color_scheme=scheme,
            reduced_motion="reduce" if still else "no-preference",
        )
        self.context.set_default_timeout(60_000)
        self.context.add_init_script(WATCH)
        self.page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.faults.append(f"{self.page.url}: {error}"))
        self.page.on("console", self._said)
        self.page.on("request", lambda request: self._asked(request.url))
        self.page.on("websocket", self._connected)

    def open(self, path: str = "", wait: str = STAGE) -> Any:
        """The page at this path of the app, as soon as ``wait`` is there."""
        address = path if path.startswith("http") else f"{self.url}/{path.lstrip('/')}"
        self.page.goto(address, wait_until="commit")
        if wait:
            self.page.wait_for_selector(wait)
        return self.page

    def marked(self, name: str) -> float:
        """The mark (ms) of this name, waited for."""
        self.page.wait_for_function(f"() => window.watch.marks.{name} > 0")
        return float(self.page.evaluate(f"() => window.watch.marks.{name}"))

    def shift(self) -> tuple[float, list[Any]]:
        """The sum of all layout shifts so far, and what they were."""
        seen = self.page.evaluate("() => window.watch")
        return float(seen["shift"]), [s for s in seen["shifts"] if s["value"] > 0.002]

    def leave(self) -> None:
        self.context.close()

    def _connected(self, socket: Any) -> None:
        self._asked(socket.url)
        socket.on("framereceived", lambda data: setattr(self, "received", self.received + len(data)))

    def _asked(self, url: str) -> None:
        if urlsplit(url).scheme in ("http", "https", "ws", "wss") and urlsplit(url).hostname != "127.0.0.1":
            self.abroad.append(url)

    def _said(self, message: Any) -> None:
        where = (message.location or {}).get("url", "")
        if message.type == "error" and not NOT_OURS.search(where):
            self.faults.append(f"{where}: {message.text}")


def digest(page: Any) -> str:
    """The name of what the stage shows."""
    return str(page.evaluate("() => window.stage()?.dataset.digest || ''"))


def answered(page: Any, before: str, seconds: float = 30) -> str:
    """Wait until the stage shows something else than ``before``; its name."""
    page.wait_for_function(
        "(before) => { const s = window.stage(); return s && s.dataset.ready === 'yes' && s.dataset.digest !== before; }",
        arg=before,
        timeout=seconds * 1000,
    )
    return digest(page)


def until(true: Any, seconds: float = 20.0, page: Any = None) -> Any:
    """What ``true()`` returns, as soon as that is not false. (A ``page`` that is waited on hears its browser.)"""
    deadline = time.monotonic() + seconds
    while True:
        value = true()
        if value:
            return value
        assert time.monotonic() < deadline, "it did not come"
        if page is not None:
            page.wait_for_timeout(50)
        else:
            time.sleep(0.05)
