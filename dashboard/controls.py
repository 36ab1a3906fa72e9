"""A config model → widgets. Every control shows the value in force and hands back what was set, by its name.

The value in force lives in the run spec, not in the widget: before a widget is drawn its state is set to it, and
the widget's callback writes to the spec. So a control cannot disagree with the page, nor leak to another one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import groupby
from typing import Any

import streamlit as st

from dashboard.late import hold as hold
from dashboard.late import stale
from dashboard.notices import error_line, expected, plain, small
from ebm_plugins import ConfigError
from ebm_plugins.classroom import Classroom
from ebm_plugins.config import Knob, knobs

Change = Callable[[str, Any], None]
OPEN = Classroom()  # nothing hidden, nothing held
SHORT = 26  # characters of all the options together that a segmented control of the panel can hold
FEW = 4
LISTED = 20_000  # characters of a list of values: a number that follows the text would make the box anew
HALF, BRIEF, WORD = (
    120,
    16,
    13,
)  # pixels of half a panel; letters of a label, and of an option, that fit there


def split(model: Any, room: int) -> tuple[tuple[Knob, ...], tuple[Knob, ...]]:
    """The knobs shown at once, at most ``room`` of them, and those tucked under More."""
    every = knobs(model)
    shown = tuple(k for k in every if not k.more)[:room]
    return shown, tuple(k for k in every if k not in shown)


def config(
    shown: Sequence[Knob],
    values: Mapping[str, Any],
    key: str,
    change: Change,
    error: ConfigError | None = None,
    pick: Callable[[Knob, tuple[int, ...], str, Change], None] | None = None,
    room: Classroom = OPEN,
) -> None:
    """One control a knob. ``key`` is the widgets' prefix and, with its last part, the field's name in a link.

    ``room`` says which are hidden or held. ``error`` is shown at the control that it names (``train.rule``). ``pick`` draws the control of a Rows field.
    """
    group = key.rsplit(".", 1)[-1]
    seen = [one for one in shown if not room.hides(f"{group}.{one.name}")]
    for one, place in zip(seen, side_by_side(seen), strict=True):
        with place:
            _one(one, values.get(one.name, one.default), key, change, error, pick, room)


def side_by_side(shown: Sequence[Knob]) -> Iterator[AbstractContextManager[Any]]:
    """A place for each control, made when it is asked for: two narrow ones that follow on each other share a line."""
    for fits, run in groupby(shown, narrow):
        count = len(list(run))
        grid = st.grid(2, min_column_width=HALF, gap="small") if fits and count > 1 else None
        for _ in range(count):
            yield nullcontext() if grid is None else grid.cell()


def narrow(one: Knob) -> bool:
    """Whether its control needs no more than half the panel's width."""
    if len(label(one)) > BRIEF:
        return False
    if one.kind == "choice":
        return not _buttons(one.options, words) and max(len(words(o)) for o in one.options) <= WORD
    return one.kind in ("int", "float")


def _one(
    one: Knob,
    value: Any,
    key: str,
    change: Change,
    error: ConfigError | None,
    pick: Callable[[Knob, tuple[int, ...], str, Change], None] | None,
    room: Classroom,
) -> None:
    group = key.rsplit(".", 1)[-1]
    name = f"{group}.{one.name}"
    if room.holds(name) and one.kind in ("rows", "tuple"):
        held(label(one), one.encode(value) or "none")
    elif one.kind == "rows" and pick is not None:
        pick(one, tuple(value), f"{key}.{one.name}", change)
    else:
        control(one, value, f"{key}.{one.name}", change, disabled=room.holds(name))
    if error is not None and error.field in (one.name, f"{group}.{one.name}"):
        error_line(expected(error.expected, error.got))


def help_text(one: Knob) -> str:
    """What the control does, its unit and its bounds."""
    parts = [one.help.rstrip(". ") + "." if one.help else ""]
    if one.unit:
        parts.append(f"In {one.unit}.")
    if one.kind in ("int", "float") and one.ge is not None and one.le is not None:
        parts.append(f"From {number(one.ge)} to {number(one.le)}.")
    elif one.kind in ("int", "float") and one.ge is not None:
        parts.append(f"At least {number(one.ge)}.")
    elif one.kind in ("int", "float") and one.le is not None:
        parts.append(f"At most {number(one.le)}.")
    parts.append(f"In links: `{one.name}`.")
    return " ".join(p for p in parts if p)


def label(one: Knob) -> str:
    """The title, with the unit behind it."""
    return one.title + (f" ({one.unit})" if one.unit else "")


def words(option: Any) -> str:
    """An option's value as a person reads it: ``bit_flip`` is Bit flip, ``three-wells`` Three wells, ``pcd`` PCD."""
    text = str(option)
    if text != text.lower() or not any(c.isalpha() for c in text):
        return text
    if not set(text) & set("aeiouy"):
        return text.upper()
    text = text.replace("_", " ").replace("-", " ")
    return text[:1].upper() + text[1:]


def number(value: float) -> str:
    """A number as it is read: at most 4 digits, U+202F between thousands, × 10ⁿ when it is large."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "no number"
    size = math.floor(math.log10(abs(value)))
    if size >= 7 or size < -4:
        power = str(size).translate(str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"))
        return f"{value / 10**size:.3g} × 10{power}".replace("-", "−", 1)
    text = f"{value:,.0f}" if float(value).is_integer() else f"{value:.4g}"
    return text.replace(",", "\u202f").replace("-", "−")


def held(title: str, value: str) -> None:
    """In the place of a control that the link holds and that has no look of its own for it."""
    st.markdown(f":material/lock: {plain(title)}: {plain(value)}")


def control(one: Knob, value: Any, key: str, change: Change, *, disabled: bool = False) -> None:
    """One widget for one knob, showing ``value``; ``change(name, new)`` is called when it is moved."""
    common: dict[str, Any] = {
        "key": key,
        "help": help_text(one),
        "on_change": _moved,
        "args": (one.name, key, change, one.kind),
        "disabled": disabled,
    }
    if one.kind == "bool":
        st.toggle(label(one), hold(key, bool(value)), **common)
    elif one.kind == "choice":
        choose(label(one), one.options, value, **common)
    elif one.kind in ("rows", "tuple"):
        _listed(one, value, key, change)
    elif one.log and one.ge is not None and one.ge > 0 and one.le is not None:
        _logarithmic(one, value, common)
    elif one.ge is not None and one.le is not None and _slides(one):
        _slider(one, value, common)
    else:
        _typed(one, value, common)


def choose(
    title: str, options: Sequence[Any], value: Any, *, show: Callable[[Any], str] = words, **common: Any
) -> None:
    """One of several: buttons side by side when they are few and short, else a list."""
    chosen = hold(common["key"], value if value in options else options[0], options)
    if _buttons(options, show):
        st.segmented_control(
            title, options, default=chosen, required=True, width="stretch", format_func=show, **common
        )
    else:
        st.selectbox(title, options, list(options).index(chosen), format_func=show, **common)


def _buttons(options: Sequence[Any], show: Callable[[Any], str]) -> bool:
    return 1 < len(options) <= FEW and sum(len(show(o)) for o in options) <= SHORT


def _moved(name: str, key: str, change: Change, kind: str) -> None:
    value = st.session_state[key]
    if value is None or stale(key):
        return
    change(name, float(value) if kind == "float" else int(value) if kind == "int" else value)


def _bounds(one: Knob) -> tuple[float, float]:
    """Both bounds of a knob that has both."""
    return (-math.inf if one.ge is None else one.ge), (math.inf if one.le is None else one.le)


def _slides(one: Knob) -> bool:
    """Whether every value worth having can be reached on a slider."""
    low, high = _bounds(one)
    return high - low <= (1000 if one.kind == "int" else 100)


def _slider(one: Knob, value: Any, common: dict[str, Any]) -> None:
    low, high = _bounds(one)
    if low >= high:
        small(f"{plain(label(one))}: {number(low)}")
        return
    if one.kind == "int":
        here = hold(common["key"], int(value))
        st.slider(label(one), int(low), int(high), here, step=1, **common)
    else:
        step = 10.0 ** math.floor(math.log10((high - low) / 50))
        there = hold(common["key"], float(value))
        st.slider(label(one), float(low), float(high), there, step=step, format="%.4g", **common)


def _logarithmic(one: Knob, value: Any, common: dict[str, Any]) -> None:
    """A slider over round numbers, evenly spaced in the logarithm; the values in force and by default are on it."""
    low, high = _bounds(one)
    kind = int if one.kind == "int" else float
    here = hold(common["key"], kind(value))
    marks = {*round_numbers(low, high), low, high, float(value), float(one.default)}
    options = sorted({kind(m) for m in marks if low <= m <= high})
    if len(options) < 2:
        small(f"{plain(label(one))}: {number(value)}")
        return
    st.select_slider(label(one), options, here, format_func=number, **common)


def round_numbers(low: float, high: float) -> list[float]:
    """1, 1.5, 2, 3, 5, 7 times the powers of ten from ``low`` to ``high``."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    found = [float(f"{m}e{p}") for p in range(first, last + 1) for m in (1, 1.5, 2, 3, 5, 7)]
    return [v for v in found if low <= v <= high]


def _typed(one: Knob, value: Any, common: dict[str, Any]) -> None:
    if one.kind == "int":
        # A number input speaks JavaScript, whose whole numbers are exact up to 2^53.
        low, high = (None if b is None else int(b) for b in (one.ge, one.le))
        top = 2**53 - 1
        here = hold(common["key"], max(-top, min(top, int(value))))
        st.number_input(label(one), low, min(high, top) if high is not None else top, here, step=1, **common)
        if here != int(value):
            small(f"In force is {int(value)}, more than a browser can count to.")
    else:
        there = hold(common["key"], float(value))
        span = abs(float(one.default)) or 1.0
        st.number_input(
            label(one),
            one.ge,
            one.le,
            there,
            step=10.0 ** math.floor(math.log10(span)) / 10,
            format="%.6g",
            **common,
        )


def _listed(one: Knob, value: Any, key: str, change: Change) -> None:
    """A tuple: one small control an element where its length is fixed and small, else its values with commas."""
    item = one.item
    assert item is not None
    if one.length is not None and one.length <= FEW and item.kind in ("int", "float"):
        hold_all = tuple(value)
        st.markdown(f":small[{plain(label(one))}]", help=help_text(one))
        for column, index in zip(st.columns(one.length), range(one.length), strict=True):
            with column:
                part = f"{key}.{index}"
                here = hold(part, (float if item.kind == "float" else int)(hold_all[index]))
                st.number_input(
                    f"{label(one)}, {index + 1}", item.ge if item.kind == "float" else _whole(item.ge),
                    item.le if item.kind == "float" else _whole(item.le), here,
                    step=0.1 if item.kind == "float" else 1, format="%.4g" if item.kind == "float" else None,
                    key=part, label_visibility="collapsed", help=help_text(one),
                    on_change=_moved_part, args=(one.name, part, index, hold_all, change, item.kind),
                )  # fmt: skip
        return
    text = hold(key, one.encode(value).replace(",", ", "))
    st.text_input(
        label(one), text, key=key, help=f"{help_text(one)} Values with commas between them.", max_chars=LISTED,
        on_change=_moved_list, args=(one, key, change),
    )  # fmt: skip
    problem = st.session_state.pop(f"{key}!", None)
    if problem:
        error_line(plain(problem))


def _whole(bound: float | None) -> int | None:
    return None if bound is None else int(bound)


def _moved_part(name: str, key: str, index: int, before: tuple[Any, ...], change: Change, kind: str) -> None:
    if stale(key):
        return
    value = st.session_state[key]
    new = (*before[:index], float(value) if kind == "float" else int(value), *before[index + 1 :])
    change(name, new)


def _moved_list(one: Knob, key: str, change: Change) -> None:
    if stale(key):
        return
    text = st.session_state[key]
    try:
        change(one.name, one.decode(text))
    except ValueError as error:
        st.session_state[f"{key}!"] = f"Expected {error}, got {text!r}. The last good value is used."
