"""The moment on the stage, marked on the figures of the tabs below it: it moves with the stage, and takes it along."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from browser_tools import answered, digest

pytestmark = pytest.mark.browser

measured = pytest.mark.skipif(
    os.environ.get("EBM_MEASURE") != "1", reason="a figure of the clock: set EBM_MEASURE=1 on a quiet machine"
)
# Of each figure that marks a moment: the marked x, and the x under the middle of its line by Plotly's own axis.
MARKS = """() => [...document.querySelectorAll('.ebm-figure[data-moment]')].map((frame) => {
  const { xaxis } = Object.values(frame.querySelector('.ebm-plot')._fullLayout._plots)[0];
  const lines = [...frame.querySelectorAll('.ebm-cursors div:not([hidden])')];
  const left = frame.getBoundingClientRect().left;
  return { key: frame.querySelector('.ebm-plot')._fullLayout.xaxis.title.text, moment: +frame.dataset.moment, lines: lines.length,
    at: lines.map((l) => xaxis.p2d(l.getBoundingClientRect().left + 0.5 - left - xaxis._offset)), unit: 1 / xaxis._m };
})"""
STEP = "() => { const s = window.stage(); return +s.querySelector('input[type=range]').getAttribute('aria-valuetext').match(/\\d+/)[0]; }"


def tab(page: Any, name: str, figures: int) -> None:
    page.get_by_role("tab", name=name, exact=True).click()
    page.wait_for_function(
        "(n) => document.querySelectorAll('.ebm-figure[data-moment] .ebm-cursors div:not([hidden])').length >= n",
        arg=figures,
    )


def press(page: Any, name: str) -> None:
    page.evaluate("(name) => window.stage().querySelector(`[aria-label='${name}']`).click()", name)


def held(page: Any, per: dict[str, float] | None = None) -> list[dict[str, Any]]:
    """Every mark is at the stage's moment, in its own axis' unit, and its line stands there."""
    step, marks = page.evaluate(STEP), page.evaluate(MARKS)
    assert marks
    for mark in marks:
        assert mark["moment"] == pytest.approx(step / (per or {}).get(mark["key"], 1))
        assert mark["at"] == [pytest.approx(mark["moment"], abs=1.01 * mark["unit"])] * mark["lines"]
    return list(marks)


def test_it_is_on_every_trace_of_the_diagnostics_and_a_press_goes_there(visitor: Callable[..., Any]) -> None:
    """A snapshot is 4 steps of this run: its energy is drawn against steps, its acceptance against snapshots."""
    page = visitor().open("metropolis-hastings?sample.every=4&sample.steps=200&start.n=40")
    tab(page, "Diagnostics", 2)
    per = {"snapshot": 4.0}
    assert page.evaluate(STEP) == 200
    assert {mark["key"] for mark in held(page, per)} == {"step", "snapshot"}
    timed = page.locator(".ebm-figure[data-moment]")
    every = page.locator(".ebm-figure")
    assert every.count() > timed.count()  # the autocorrelation's lags are no moments
    press(page, "To the start")
    press(page, "One on")
    assert page.evaluate(STEP) == 4
    held(page, per)
    timed.first.scroll_into_view_if_needed()
    area = timed.first.locator(".nsewdrag").first.bounding_box()
    middle = area["x"] + area["width"] / 2, area["y"] + area["height"] / 2
    before = digest(page)
    page.mouse.click(*middle)
    assert page.evaluate(STEP) == pytest.approx(100, abs=4)
    held(page, per)
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(area["x"] + area["width"] * 0.75, middle[1], steps=5)
    assert page.evaluate(STEP) == pytest.approx(150, abs=4)  # it scrubs while it is held
    page.mouse.up()
    page.mouse.move(area["x"] + 5, middle[1])
    assert page.evaluate(STEP) == pytest.approx(150, abs=4)
    held(page, per)
    assert digest(page) == before  # all of it in the browser: the run is the same


def test_it_follows_a_stage_that_plays_and_one_that_is_made_anew(visitor: Callable[..., Any]) -> None:
    one = visitor(still=False)
    page = one.open("metropolis-hastings?start.n=40")
    tab(page, "Diagnostics", 2)
    one.marked("alive")
    if page.evaluate("() => window.stage().dataset.playing") != "yes":
        press(page, "Play")
    seen = page.evaluate("""() => new Promise((done) => { const seen = new Set();
      const look = () => { const f = document.querySelector('.ebm-figure[data-moment]'); seen.add(f && f.dataset.moment);
        if (seen.size > 8) done(seen.size); else requestAnimationFrame(look); }; look(); })""")
    assert seen > 8
    if page.evaluate("() => window.stage().dataset.playing") == "yes":
        press(page, "Pause")
    before = digest(page)
    page.get_by_label("Seed", exact=True).fill("77")
    page.keyboard.press("Enter")
    answered(page, before)
    page.wait_for_function("() => window.stage().dataset.playing !== 'yes'")
    page.wait_for_function(
        f"() => {{ const m = ({MARKS})(); return m.length >= 2 && m.every((x) => x.lines); }}"
    )
    press(page, "To the end")
    held(page)
    assert one.shift()[0] < 0.05, one.shift()


def test_a_figure_of_a_family_marks_it_on_each_of_its_plots(visitor: Callable[..., Any]) -> None:
    """One of them draws x and y of some chains, one plot above the other."""
    page = visitor().open("metropolis-hastings?sampler=metropolis&start.n=40")
    tab(page, "Figures", 2)
    marks = held(page)
    assert sorted(mark["lines"] for mark in marks) == [1, 2]  # the other is of the mean energy
    press(page, "To the start")
    assert held(page)[0]["moment"] == 0


def test_training_marks_the_model_that_the_stage_samples_from(visitor: Callable[..., Any]) -> None:
    """Rewound to the third snapshot, epoch 12 of 40, every curve of training keeps its width, with the mark at 12."""
    page = visitor().open("rbm?train.epochs=40&train.every=4&stop=3")
    tab(page, "Training", 1)
    marks = page.evaluate(MARKS)
    assert {mark["moment"] for mark in marks} == {12}
    for mark in marks:
        assert mark["at"] == [pytest.approx(12, abs=1.01 * mark["unit"])]
    ends = page.evaluate(
        """() => [...document.querySelectorAll('.ebm-figure[data-moment] .ebm-plot')].map((p) => p._fullLayout.xaxis.range[1])"""
    )
    assert set(ends) == {40}
    press(page, "To the start")
    assert {mark["moment"] for mark in page.evaluate(MARKS)} == {12}  # the moment of sampling is another axis


def test_a_press_on_a_curve_of_training_rewinds_to_what_is_under_it(visitor: Callable[..., Any]) -> None:
    """Ten epochs in fours are 4, 8 and 10: pressed at 8.4 of them it samples after 8. A drag asks for nothing."""
    page = visitor().open("rbm?train.epochs=10&train.every=4&data=article-six")
    tab(page, "Training", 1)
    assert {mark["moment"] for mark in page.evaluate(MARKS)} == {10}
    curve = page.locator(".ebm-figure[data-moment]").first
    curve.scroll_into_view_if_needed()
    area = curve.locator(".nsewdrag").first.bounding_box()
    px = curve.evaluate("(f) => f.querySelector('.ebm-plot')._fullLayout.xaxis.d2p(8.4)")
    before = digest(page)
    page.mouse.move(area["x"] + 0.2 * area["width"], area["y"] + 9)
    page.mouse.down()
    page.mouse.move(area["x"] + 0.6 * area["width"], area["y"] + 9, steps=3)
    page.mouse.up()
    page.mouse.click(area["x"] + px, area["y"] + 0.8 * area["height"])
    answered(page, before)
    page.wait_for_function(
        f"() => {{ const m = ({MARKS})(); return m.length && m.every((x) => x.moment === 8); }}"
    )
    assert "stop=2" in page.url


@measured
def test_the_stage_keeps_its_rate_with_marked_figures_below_it(visitor: Callable[..., Any]) -> None:
    """Drawn frames a second at 4× in software rendering, 300 particles (median of 5 half seconds)."""
    page = visitor(still=False).open("metropolis-hastings?start.n=300&sample.steps=299")
    tab(page, "Diagnostics", 2)
    rate = page.evaluate("""async () => {
      const host = window.stage(), select = host.querySelector('select');
      select.value = '4'; select.dispatchEvent(new Event('change'));
      if (host.querySelector('.loop').getAttribute('aria-pressed') !== 'true') host.querySelector('.loop').click();
      if (host.dataset.playing !== 'yes') host.querySelector('.play').click();
      let drawn = 0;
      new MutationObserver(() => drawn++).observe(host, { attributes: true, attributeFilter: ['data-at'] });
      const rates = [];
      for (let i = 0; i < 5; i++) {
        const before = drawn, began = performance.now();
        await new Promise((done) => setTimeout(done, 500));
        rates.push((drawn - before) / ((performance.now() - began) / 1000));
      }
      return rates.sort((a, b) => a - b)[2];
    }""")
    print(f"{rate:.0f} frames a second, {page.locator('.ebm-figure[data-moment]').count()} marked figures")
    assert rate >= 30


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("metropolis-hastings", "refused (12 of 300 shown)"),
        ("metropolis-hastings?preset=Too+bold", "refused (12 of 300 shown)"),
        ("langevin?sampler=mala&sample.step_size=1&start.n=6", "refused"),
        ("langevin?sampler=hmc&sample.step_size=1.5&start.n=6", "refused"),
        ("hopfield?sampler=bit-flip", "flip refused last"),
    ],
)
def test_what_was_refused_is_on_the_stage_of_every_sampler_that_refuses(
    visitor: Callable[..., Any], path: str, words: str
) -> None:
    page = visitor().open(path)
    assert words in page.evaluate("() => window.stage().querySelector('.legend').textContent")
    press(page, "To the start")
    drawn = 0
    for _ in range(12):
        press(page, "One on")
        drawn += page.evaluate("""() => { const s = window.stage();
          return +(s.querySelector('.main').dataset.refused || 0) + s.querySelectorAll('.cell.refused').length; }""")
    assert drawn > 0
