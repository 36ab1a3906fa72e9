"""Clicks on the stage of a server that is held up: its stage stays the one that was clicked, and no click is lost.

Where a stage is made anew all the same (another layout, a page left and come back to), it takes over what was drawn on
the one before it and not answered.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from browser_tools import until

from dashboard import stage
from dashboard.plot import envelope
from ebm_plugins import RunSpec, runs, starts
from ebm_plugins.registry import Registry
from ebm_plugins.spaces import BinaryGrid

pytestmark = pytest.mark.browser

HERE = Path(__file__).parent
# Each click counts the stages that were there: one that left for a moment has left.
CLICKS = """async () => {
  const first = window.stage();
  first.querySelector('[aria-label="To the start"]').click();
  const before = [...first.querySelectorAll('.cell')].map((c) => c.classList.contains('on'));
  first.querySelector('.board').setPointerCapture = () => {};
  let left = 0;
  for (let i = 0; i < 30; i++) {
    const node = first.querySelector(`.cell[data-i="${i}"]`);
    for (const kind of ["pointerdown", "pointerup"]) {
      node.dispatchEvent(new PointerEvent(kind, { bubbles: true, composed: true, pointerId: 1, button: 0 }));
    }
    for (let k = 0; k < 8; k++) {
      await new Promise((done) => setTimeout(done, 10));
      if (window.stage() !== first) left++;
    }
  }
  for (let k = 0; k < 200; k++) {
    await new Promise((done) => setTimeout(done, 10));
    if (window.stage() !== first) left++;
  }
  return [before, left];
}"""


def test_clicks_on_the_stage_of_a_busy_server_leave_it_where_it_is(
    serve: Callable[..., Any], visitor: Callable[..., Any]
) -> None:
    busy = serve(app=str(HERE / "busy_app"), env={"EBM_PLUGINS": ""})
    page = visitor(busy.url).open("hopfield")
    before, left = page.evaluate(CLICKS)
    assert left == 0
    wanted = [bool(on) != (i < 30) for i, on in enumerate(before)]

    def asked() -> bool:
        query = parse_qs(urlsplit(page.evaluate("() => location.href")).query)
        if "start.states" not in query:
            return False
        return bool(np.array_equal(starts.unpack(query["start.states"][0], BinaryGrid(8, 8)), [wanted]))

    until(asked, seconds=60)


# One stage after another, given the payloads (base64) by hand: the first is clicked, the second comes before an answer,
# is then answered, and the third comes after that. What the cell was and is on each, and what was sent.
ONE_AFTER_ANOTHER = """async ([url, unanswered, number]) => {
  const made = await import(url), sent = [];
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const open = (data) => {
    const box = document.createElement("div"), host = document.createElement("div");
    host.className = "stage cells";
    host.dataset.kind = "cells";
    box.append(host);
    document.body.append(box);
    const component = { parentElement: box, data: bytes(data), setStateValue: (_name, value) => sent.push(value) };
    const leave = made.default(component);
    host.querySelector(".board").setPointerCapture = () => {};
    return { host, component, leave() { box.remove(); leave(); } };
  };
  const cell = (one) => one.host.querySelector(".cell").classList.contains("on");
  const first = open(unanswered), was = cell(first);
  for (const kind of ["pointerdown", "pointerup"]) {
    first.host.querySelector(".cell").dispatchEvent(new PointerEvent(kind, { bubbles: true, pointerId: 1, button: 0 }));
  }
  const clicked = cell(first);
  first.leave();
  const second = open(unanswered), taken = cell(second);
  const answered = atob(unanswered).replace(number, String(sent[0].number)); // as many digits: all else stays in place
  second.component.data = bytes(btoa(answered));
  made.default(second.component);
  second.leave();
  const third = open(unanswered), after = cell(third);
  third.leave();
  return { was, clicked, taken, after, sent };
}"""


def test_a_stage_made_anew_takes_over_what_was_drawn_on_the_one_before(
    visitor: Callable[..., Any], registry: Registry
) -> None:
    run = runs.run(RunSpec(family="hopfield", start=starts.Noise(n=1)), registry)
    never = 1_000_000_000_001  # as long as a number of an edit, which is a time in ms
    content = {**stage.payload(run), "key": "one", "digest": "d", "seen": 0, "answers": never}
    page = visitor().open("hopfield")
    url = page.evaluate(
        "() => performance.getEntriesByType('resource').map((e) => e.name).find((name) => name.includes('/ebm.stage.'))"
    )
    packed = base64.b64encode(envelope.pack(content)).decode()
    seen = page.evaluate(ONE_AFTER_ANOTHER, [url, packed, str(never)])
    assert seen["clicked"] == seen["taken"] != seen["was"]
    first, again = seen["sent"]
    assert again == first  # nobody had seen it, so it was sent once more
    assert seen["after"] == seen["was"]
