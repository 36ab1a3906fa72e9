"""Address ↔ run spec. The address is read once a visit and written whenever a control changes.

What is asked for lives in the session under the family's key, so going to another page and back loses nothing.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from dashboard.addresses import grouped, page_of
from dashboard.job import DONE
from dashboard.notices import code, notice, plain, spelled
from ebm_plugins import ConfigError, PluginError, RunSpec, classroom, link, starts, stored
from ebm_plugins.classroom import Classroom
from ebm_plugins.link import Mended
from ebm_plugins.plans import plan
from ebm_plugins.records import Family
from ebm_plugins.registry import Registry
from ebm_plugins.stamps import Stamp, read_stamp

LAG = 3.0  # seconds in which a request may still say what was before: its address, once one held the new one; its
# values, once the page was drawn with others (a busy browser has the address before it has drawn the controls)
FOLLOWED = "link followed"
OURS = 32  # old addresses of ours that are remembered
Pairs = tuple[tuple[str, str], ...]


@dataclass(kw_only=True)
class Bar:
    """What one page's address says, and what the browser knows of it.

    ``written`` is the address of what is asked, sorted (``pairs`` as it is written), ``told`` the one that the
    browser was last told, ``heard`` when it first sent that back (None while it has not), ``left`` our addresses of
    before, ``again`` whether the page asks itself to be drawn again (which says nothing of what the browser has
    heard), ``drawn`` when the page was first drawn as it is asked since (inf: it has not been yet).
    """

    written: Pairs = ()
    pairs: Pairs = ()
    told: Pairs = ()
    heard: float | None = None
    again: bool = False
    drawn: float = 0.0
    left: list[Pairs] = field(default_factory=list)

    def late(self, here: Pairs) -> bool:
        """Whether this address is one of ours that the browser has not yet heard to be out of date: it asks for
        nothing, however long that takes. (The back button says of itself that it is one.)"""
        if here not in self.left or getattr(get_script_run_ctx(), "is_history_navigation", False):
            return False
        return self.heard is None or time.monotonic() - self.heard < LAG

    def holds(self, here: Pairs, arrived: bool) -> bool:
        """Whether what was asked before still counts at this address: it is its own, or one that asks for nothing.
        An empty address on coming from another page (``arrived``) means what was left there."""
        if here == self.written:
            if self.heard is None and not self.again:
                self.heard = time.monotonic()
            self.told, self.again = here, False
            return True
        if not here if arrived else self.late(here):
            if here not in self.left:
                self.left, self.heard = [*self.left, here][-OURS:], None
            return True
        return False

    def replaces(self, held: Bar | None) -> None:
        """This is read from an address in the place of what was held: its values are not the ones that the browser
        has."""
        if held is not None:
            self.left, self.drawn = [*held.left, held.written][-OURS:], math.inf

    def write(self, pairs: Pairs) -> None:
        """This is the address from now on (which :func:`tell` tells the browser)."""
        self.pairs = pairs
        if self.written != (now := tuple(sorted(pairs))):
            self.left = [*self.left, self.written][-OURS:]
            self.written, self.heard, self.drawn = now, None, math.inf


@dataclass
class Visit(Bar):
    """What one session asks of one family.

    ``spec`` is the last one that resolved; ``asked`` differs from it only while ``error`` says why it cannot be
    used. ``mended`` names what the address held that could not be used. ``before_drawn`` is the start that a
    drawn one replaced, ``shown`` the last job whose run was on the page,
    ``room`` what the link says to its reader and which controls it holds, ``breach`` the held one that a change
    would have changed, ``opened`` when its address was read,
    ``missing`` the key of somebody's own data that are not kept here (any more),
    ``job`` the one that is waited for, ``stamp`` what a copied link says of its run, ``edited`` whether the page
    asks itself to be drawn again because of what was drawn on the stage.
    """

    family: str
    spec: RunSpec
    asked: RunSpec
    mended: list[Mended] = field(default_factory=list)
    error: ConfigError | PluginError | None = None
    edited: bool = False
    before_drawn: starts.Start | None = None
    shown: Any = None
    job: Any = None
    stamp: Stamp | None = None
    missing: str = ""
    room: Classroom = field(default_factory=Classroom)
    breach: str = ""
    opened: float = field(default_factory=time.time)


def visit(family: str, registry: Registry) -> Visit:
    """The visit of this page: read from the address when that is new, else the one that the session holds.

    An empty address on coming from another page means what was left there; any other new address means itself, and
    so does every address that was followed (:func:`follow`).
    """
    here = address()
    arrived = st.session_state.get("page") != family
    st.session_state["page"] = family
    if arrived:
        _rest(family)
    held: Visit | None = st.session_state.get(_key(family))
    to, pairs = st.session_state.get(FOLLOWED, ("", ()))
    if to == family:
        del st.session_state[FOLLOWED]
    followed = to == family and (not arrived or here == tuple(sorted(pairs)))
    if followed:
        here = tuple(sorted(pairs))  # it may not be the browser's yet (`follow`)
    elif held is not None and held.holds(here, arrived):
        return held
    spec, mended = link.parse(grouped(here), registry, family)
    made = Visit(family, spec, spec, written=here, told=address(), mended=mended)
    if followed:
        made.pairs = pairs  # the browser has not sent it back
    else:
        made.heard = time.monotonic()
    made.replaces(held)
    made.room, more = classroom.read(here, spec, registry)
    made.mended += more
    made.stamp = read_stamp(dict(here).get("v", ""))
    data = dict(here).get("data", "").strip().lower()
    made.missing = data if stored.missing(data) else ""
    if held is not None:
        made.shown = held.shown
    st.session_state[_key(family)] = made
    return made


def follow(family: Family, query: dict[str, str]) -> None:
    """Go to the run that this query names on this family's page, and start it anew even where it was left just now.

    Also from that page itself: ``st.page_link`` to the page that it is on leaves the address as it was, and an
    address of before could not be told from a late one. There the browser is told the address as it is told any:
    after the controls (:func:`tell`), since a poll that had it and the values of before would undo it.
    """
    st.session_state[FOLLOWED] = (family.key, tuple(query.items()))
    if st.session_state.get("page") == family.key:
        st.rerun()
    st.switch_page(page_of(family), query_params=query)


def forget(made: Visit) -> None:
    """Read the address again when the page is next drawn."""
    st.session_state.pop(_key(made.family), None)


def address() -> Pairs:
    """The query as it stands in the address bar, repeated names included."""
    return tuple(sorted((k, v) for k in st.query_params for v in st.query_params.get_all(k)))


def heard(made: Bar) -> bool:
    """Whether the request that is being answered knows of the last change: it has the address that was told then, and
    the controls were drawn a while ago."""
    return address() == made.told == made.written and time.monotonic() - made.drawn > LAG


def tell(made: Bar) -> None:
    """Write the address of what is asked. After the controls are drawn: a browser that has it has their values."""
    if made.drawn == math.inf:
        made.drawn = time.monotonic()
    made.told = made.written
    if made.written != address():
        st.query_params.from_dict(grouped(made.pairs or made.written))


def change(made: Visit, registry: Registry, spec: RunSpec, *, adapt: bool = False) -> None:
    """Ask for another spec, with its address (which ``tell`` writes). One that does not resolve is kept with its error.

    ``adapt`` lets go of what the spec inherited and can no longer use (rows of another dataset, settings of
    another sampler).
    """
    made.breach = ""
    try:
        resolved = adapted(spec, registry) if adapt else plan(spec, registry).spec
        made.breach = made.room.breach(made.spec, resolved)
        if made.breach:
            return
    except (ConfigError, PluginError) as error:
        _let_go(made)
        made.asked, made.error = spec, error
        return
    _let_go(made)
    made.spec = made.asked = resolved
    made.error = None
    _address(made, registry)


def _let_go(made: Visit) -> None:
    """What was known of the spec before is not known of the next one."""
    made.mended, made.stamp, made.job, made.missing = [], None, None, ""


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
        values = getattr(made.asked, part)
        if name in values and values[name] == value:
            return
        new: dict[str, Any] = {part: {**values, name: value}, "sample_stop": None}
        if part == "train":
            new["train_stop"] = None
        change(made, registry, replace(made.asked, **new))

    return set_value


def show_mended(mended: Sequence[Mended]) -> None:
    """Name what in the address could not be used, and what is used instead: one gray notice, a line a value."""
    if not mended:
        return
    verb = "was" if len(mended) == 1 else "were"
    lines = "".join(f"\n\n{_mended(one)}" for one in mended)
    notice("info", f"{spelled(len(mended), 'value')} in the link {verb} changed.", lines, key="mended")


def _mended(one: Mended) -> str:
    given = f"{one.parameter}={one.given}" if one.parameter else one.given
    used = f"{code(one.used)} is used" if one.used and one.used != "nothing" else "it is left out"
    return f"{code(given, 90)}: {plain(one.reason)}, so {used}."


def _rest(family: str) -> None:
    """The visits of other pages hold no finished run any more: a tab that goes from page to page would hold them all."""
    for key, other in list(st.session_state.items()):
        if (
            isinstance(other, Visit)
            and key != _key(family)
            and (other.job is None or other.job.state == DONE)
        ):
            other.job = other.shown = None


def _key(family: str) -> str:
    return f"{family}: visit"


def _address(made: Visit, registry: Registry) -> None:
    query = urlsplit(link.write(made.spec, registry)).query
    made.write((*parse_qsl(query, keep_blank_values=True), *made.room.pairs()))
