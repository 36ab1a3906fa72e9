"""Address ↔ run spec. The address is read once a visit and written whenever a control changes.

What is asked for lives in the session under the family's key, so going to another page and back loses nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import streamlit as st

from dashboard.notices import code, notice, plain, spelled
from ebm_plugins import ConfigError, PluginError, RunSpec, link, starts
from ebm_plugins.link import Mended
from ebm_plugins.plans import plan
from ebm_plugins.registry import Registry
from ebm_plugins.stamps import Stamp, read_stamp

LAG = 3.0  # seconds in which a browser may still send the address that it had before our last change of it
Pairs = tuple[tuple[str, str], ...]


@dataclass
class Visit:
    """What one session asks of one family.

    ``spec`` is the last one that resolved; ``asked`` differs from it only while ``error`` says why it cannot be
    used. ``mended`` names what the address held that could not be used. ``before_drawn`` is the start that a
    drawn one replaced, ``shown`` the last job whose run was on the page,
    ``job`` the one that is waited for, ``stamp`` what a copied link says of its run.
    """

    family: str
    spec: RunSpec
    asked: RunSpec
    written: Pairs = ()
    mended: list[Mended] = field(default_factory=list)
    error: ConfigError | PluginError | None = None
    before_drawn: starts.Start | None = None
    shown: Any = None
    job: Any = None
    stamp: Stamp | None = None
    left: list[tuple[float, Pairs]] = field(
        default_factory=list
    )  # own addresses of before, and when they were left

    def late(self) -> set[Pairs]:
        """The addresses that were ours a moment ago. A browser that sends one has not yet heard of the newer one
        (clicks that follow fast on one another do that): it asks for nothing."""
        now = time.monotonic()
        self.left = [(when, pairs) for when, pairs in self.left if now - when < LAG]
        return {pairs for _, pairs in self.left}


def visit(family: str, registry: Registry) -> Visit:
    """The visit of this page: read from the address when that is new, else the one that the session holds.

    An empty address on coming from another page means what was left there; any other new address means itself.
    """
    here = address()
    arrived = st.session_state.get("page") != family
    st.session_state["page"] = family
    held: Visit | None = st.session_state.get(_key(family))
    if held is not None and (here == held.written or (arrived and not here)):
        if here != held.written:
            _write(held, registry)
        return held
    if held is not None and not arrived and here in held.late():
        _write(held, registry)
        return held
    query: dict[str, str | list[str]] = {}
    for name, value in here:
        query[name] = [*query.get(name, []), value]
    spec, mended = link.parse(query, registry, family)
    made = Visit(family, spec, spec, written=here, mended=mended)
    made.stamp = read_stamp(dict(here).get("v", ""))
    if held is not None:
        made.shown = held.shown
    st.session_state[_key(family)] = made
    return made


def address() -> Pairs:
    """The query as it stands in the address bar, repeated names included."""
    return tuple(sorted((k, v) for k in st.query_params for v in st.query_params.get_all(k)))


def change(made: Visit, registry: Registry, spec: RunSpec, *, adapt: bool = False) -> None:
    """Ask for another spec, and write it into the address. One that does not resolve is kept with its error.

    ``adapt`` lets go of what the spec inherited and can no longer use (rows of another dataset, settings of
    another sampler).
    """
    made.mended, made.stamp, made.job = [], None, None
    try:
        resolved = adapted(spec, registry) if adapt else plan(spec, registry).spec
    except (ConfigError, PluginError) as error:
        made.asked, made.error = spec, error
        return
    made.spec = made.asked = resolved
    made.error = None
    _write(made, registry)


def adapted(spec: RunSpec, registry: Registry) -> RunSpec:
    """The resolved spec, without the inherited values that it cannot use. Raises ConfigError when that is not enough."""
    for _ in range(64):
        try:
            return plan(spec, registry).spec
        except ConfigError as error:
            part, _, name = error.field.partition(".")
            if part in ("train", "sample") and name in getattr(spec, part):
                kept: dict[str, Any] = {part: {k: v for k, v in getattr(spec, part).items() if k != name}}
                spec = replace(spec, **kept)
            elif part == "start" and spec.start is not None:
                spec = replace(spec, start=None)
            elif part == "sampler" and spec.sampler:
                spec = replace(spec, sampler="")
            else:
                raise
    return plan(spec, registry).spec


def setter(made: Visit, registry: Registry, part: str) -> Callable[[str, Any], None]:
    """What a control of ``train`` or ``sample`` calls with its name and new value. Training stops belong to the
    training that was stopped, so a change of its config lets go of them."""

    def set_value(name: str, value: Any) -> None:
        new: dict[str, Any] = {part: {**getattr(made.asked, part), name: value}, "sample_stop": None}
        if part == "train":
            new["train_stop"] = None
        change(made, registry, replace(made.asked, **new))

    return set_value


def show_mended(made: Visit) -> None:
    """Name what in the address could not be used, and what is used instead: one gray notice, a line a value."""
    if not made.mended:
        return
    verb = "was" if len(made.mended) == 1 else "were"
    lines = "".join(f"\n\n{_mended(one)}" for one in made.mended)
    notice("info", f"{spelled(len(made.mended), 'value')} in the link {verb} changed.", lines, key="mended")


def _mended(one: Mended) -> str:
    given = f"{one.parameter}={one.given}" if one.parameter else one.given
    used = f"{code(one.used)} is used" if one.used and one.used != "nothing" else "it is left out"
    return f"{code(given, 90)}: {plain(one.reason)}, so {used}."


def _key(family: str) -> str:
    return f"{family}: visit"


def _write(made: Visit, registry: Registry) -> None:
    query = urlsplit(link.write(made.spec, registry)).query
    pairs = parse_qsl(query, keep_blank_values=True)
    if made.written != (now := tuple(sorted(pairs))):
        made.left.append((time.monotonic(), made.written))
        made.written = now
    if made.written != address():
        st.query_params.from_dict(dict(pairs))
