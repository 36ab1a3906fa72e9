"""Visitors who click: a pool of runs that are stored, and what each of them asks for next."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from streamlit_client import Gone, Page, visit

from ebm_plugins import link
from ebm_plugins.plans import plan
from ebm_plugins.registry import Registry

PLACE = re.compile(r"\b(place|ahead|next in|waiting|queue)", re.IGNORECASE)
LONGEST = 60.0  # seconds after which a click counts as lost
DEAR = 6.0  # seconds: a preset whose run takes longer is left out of the pool, and said
CHEAP = 1.5  # seconds: of those, new seeds are asked for
SEEDS = 3  # of each preset in the pool, its own among them
NEW_SEED = 10_000_000  # new seeds begin here


@dataclass
class Preset:
    """One preset of one family: its address, its seeds in the pool, a control with another value there, its cost."""

    family: str
    name: str
    address: str
    seed: int
    seeds: list[int] = field(default_factory=list)
    control: str = ""
    values: tuple[object, object] = (None, None)
    seconds: float = 0.0


@dataclass
class Click:
    """One click and what came of it, in seconds: the end of the page's own script, the new stage, the first word of a
    place in the queue, the first word of progress (None: never)."""

    kind: str
    stored: bool
    at: float
    local: float = 0.0
    stage: float = LONGEST
    place: float | None = None
    progress: float | None = None
    error: str = ""
    where: str = ""


def presets(registry: Registry) -> Iterator[Preset]:
    """Every preset of every family that has some, with its address."""
    for family in registry.families.values():
        for name, spec in family.presets.items():
            made = plan(spec, registry).spec
            yield Preset(family.key, name, link.write(made, registry), made.seed)


async def make_pool(
    url: str, registry: Registry, seconds: float, at_once: int = 2
) -> tuple[list[Preset], list[str]]:
    """Open every preset, then its other seeds and one other value of a control, until ``seconds`` are over.

    Returns the presets whose runs are stored now, and the names of those left out with the reason. Every family's
    first ones come first, so that a short time still holds all families.
    """
    queue = sorted(presets(registry), key=_turn(registry))
    deadline, made, left_out = time.monotonic() + seconds, [], []

    async def work() -> None:
        while queue and (
            time.monotonic() < deadline or len({p.family for p in made}) < len(registry.families)
        ):
            one = queue.pop(0)
            try:
                why = await _stored(url, one)
            except (TimeoutError, Gone, LookupError) as error:
                why = f"{type(error).__name__}: {str(error)[:200]}"
            if why:
                left_out.append(f"{one.family}, {one.name}: {why}")
            else:
                made.append(one)

    await asyncio.gather(*(work() for _ in range(at_once)))
    return made, left_out


def _turn(registry: Registry) -> Callable[[Preset], int]:
    names = {family.key: list(family.presets) for family in registry.families.values()}
    return lambda one: names[one.family].index(one.name)


async def _stored(url: str, one: Preset) -> str:
    """Have the runs of one preset made; why it is left out of the pool, or nothing."""
    async with visit(url + one.address) as page:
        await page.settled(LONGEST)
        one.seeds = [one.seed]
        for seed in range(one.seed + 1, one.seed + SEEDS):
            began = time.monotonic()
            await _click(page, "Seed", seed)
            one.seconds = time.monotonic() - began
            if one.seconds > DEAR:
                return f"its run takes {one.seconds:.0f} s"
            one.seeds.append(seed)
        await _click(page, "Seed", one.seed)
        control = _control(page)
        if control is not None:
            one.control, one.values = control
            try:
                await _click(page, one.control, one.values[1], 3 * DEAR)
                offered = page.widget(one.control).message
                if offered.type == offered.SELECT_SLIDER and one.values[0] not in offered.options:
                    one.control = (
                        ""  # the preset's own value is no round one: the slider has no way back to it
                    )
            except TimeoutError:  # a value that is refused, which the page says: the preset does without
                one.control = ""
    return ""


def _control(page: Page) -> tuple[str, tuple[object, object]] | None:
    """A slider among the sampling controls, with its value now and the next one: the step, the scale, the warmth."""
    for node in page.tree.elements("slider"):
        said = node.message
        if said.disabled or ".sample." not in node.key or "Steps" in said.label or "Every" in said.label:
            continue
        if said.type == said.SELECT_SLIDER:
            place = int(said.default[0])
            here = list(said.options).index(said.raw_value[0]) if said.set_value else place
            there = here + 1 if here + 1 < len(said.options) else here - 1
            return said.label, (said.options[here], said.options[there])
        here = float((said.value if said.set_value else said.default)[0])
        there = here + said.step if here + said.step <= said.max else here - said.step
        return said.label, (here, there)
    return None


async def _click(page: Page, label: str, value: object, seconds: float = LONGEST) -> None:
    before = page.link()
    await page.set(label, value)
    await page.until(lambda p: p.alive() and p.link() != before, seconds)


class Visitor:
    """One visitor: where he is, what he clicks next, what came of each click."""

    def __init__(self, url: str, pool: list[Preset], chance: random.Random, quota: Counter[str]) -> None:
        self.url, self.pool, self.chance, self.quota = url, pool, chance, quota
        self.clicks: list[Click] = []
        self.cookies: dict[str, str] = {}
        self.page: Page | None = None
        self.preset, self.seed, self.moved = pool[0], pool[0].seed, False

    async def stay(self, until: float, every: float) -> None:
        """Open a page, click about every so many seconds, until this time (time.monotonic())."""
        while time.monotonic() < until:
            self.preset = self.chance.choice(self.pool)
            self.seed, self.moved = self.preset.seed, False
            opened = Click("open", True, time.monotonic())
            try:
                async with visit(self.url + self.preset.address, self.cookies) as page:
                    self.page = page
                    await self._watch(page, opened, None)
                    self.clicks.append(opened)
                    while time.monotonic() < until:
                        await asyncio.sleep(
                            min(every * self.chance.uniform(0.7, 1.3), max(0.0, until - time.monotonic()))
                        )
                        if time.monotonic() >= until or not await self._one(page):
                            break
            except (Gone, OSError) as error:
                opened.error = opened.error or f"{type(error).__name__}: {str(error)[:200]}"
                if opened not in self.clicks:
                    self.clicks.append(opened)
                else:
                    self.clicks.append(Click("connection", True, time.monotonic(), error=opened.error))
                await asyncio.sleep(1.0)

    async def _one(self, page: Page) -> bool:
        """One click; False where the next thing is another page."""
        kind, label, value = self._choose()
        if kind == "leave":
            return False
        click = Click(kind, kind != "new seed", time.monotonic())
        self.quota["new" if kind == "new seed" else "stored"] += 1
        before = page.link()
        try:
            await page.set(label, value)
            await self._watch(page, click, before)
        except LookupError as error:
            click.error = str(error)[:200]
        self.clicks.append(click)
        return not click.error

    def _choose(self) -> tuple[str, str, object]:
        """What is clicked: nine in ten runs asked for are in the pool, wherever the visitor is."""
        here, seen = self.preset, self.quota
        if self.moved:
            self.moved = False
            return "control", here.control, here.values[0]
        if here.seconds <= CHEAP and seen["new"] < 0.1 * (seen["new"] + seen["stored"] + 1):
            self.seed = NEW_SEED + self.chance.randrange(10**9)
            return "new seed", "Seed", self.seed
        others = [seed for seed in here.seeds if seed != self.seed]
        what = self.chance.choices(["seed", "control", "preset", "leave"], [5, 3, 2, 1])[0]
        if what == "control" and here.control and self.seed == here.seed:
            self.moved = True
            return "control", here.control, here.values[1]
        family = [p for p in self.pool if p.family == here.family and p is not here]
        if what == "preset" and family:
            self.preset = self.chance.choice(family)
            self.seed = self.preset.seed
            return "preset", "Preset", self.preset.name
        if what == "leave":
            return "leave", "", None
        self.seed = self.chance.choice(others)
        return "seed", "Seed", self.seed

    async def _watch(self, page: Page, click: Click, before: str | None) -> None:
        """Fill in what a click led to. It is done when the page is alive with another run's link."""
        runs, stages = page.finished, page.stages

        def done(p: Page) -> bool:
            now = time.monotonic() - click.at
            if p.finished > runs and not click.local:
                click.local = now
            if p.stages > stages and click.stage == LONGEST:
                click.stage = p.staged_at - click.at
            said = p.waiting()
            if said and click.place is None and PLACE.search(said):
                click.place = now
            elif said and click.progress is None and not PLACE.search(said):
                click.progress = now
            wrong = p.exceptions()
            if wrong:
                click.error = wrong[0][:200]
                return True
            return p.alive() and p.link() not in (None, before)

        try:
            await page.until(done, LONGEST)
            click.where = page.url
            if (
                click.stage == LONGEST
            ):  # another run with the same picture: it was there when the page was done
                click.stage = time.monotonic() - click.at
        except TimeoutError as error:
            click.error = f"nothing after {LONGEST:.0f} s: {str(error)[:200]}"
