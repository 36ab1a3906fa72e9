"""Choosing rows of the data by their pictures."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from functools import lru_cache

import streamlit as st
from PIL import Image

from dashboard import controls
from dashboard.late import guard, hold
from dashboard.notices import plain, small
from ebm_plugins import Data
from ebm_plugins.pictures import picture, row_name

NAMED = 8  # rows that are few enough to be shown all at once
A_PAGE = 24


def pick_rows(
    data: Data,
    chosen: tuple[int, ...],
    key: str,
    change: Callable[[tuple[int, ...]], None],
    *,
    title: str,
    help: str,
) -> None:
    """The choice of one or more rows: by name and picture when they are few, else from pages of pictures."""
    count = len(data.x)
    if count <= NAMED:
        _pills(data, chosen, key, change, title, help)
    elif picture(data, 0) is None:
        _first(data, chosen, key, change, title, help)
    else:
        _pages(data, chosen, key, change, title, help)


def _pills(
    data: Data,
    chosen: tuple[int, ...],
    key: str,
    change: Callable[[tuple[int, ...]], None],
    title: str,
    help: str,
) -> None:
    here = hold(key, [r for r in chosen if r < len(data.x)])
    labels = _labels(data)
    st.pills(
        title, range(len(data.x)), selection_mode="multi", default=here, key=key, help=help, width="stretch",
        format_func=labels.__getitem__, on_change=guard(key, lambda: _changed(key, change)),
    )  # fmt: skip


def _labels(data: Data) -> list[str]:
    """Each row's name behind its picture. Streamlit tells options apart by their labels alone, so that one of several
    rows with the same name bears its number too."""
    names = [plain(row_name(data, row)) for row in range(len(data.x))]
    labels = []
    for row, name in enumerate(names):
        shown = picture(data, row)
        label = name if names.count(name) == 1 else f"{name} ({row})"
        labels.append(
            label if shown is None else f"![{name}]({_inline(shown.tobytes(), shown.shape)}) {label}"
        )
    return labels


@lru_cache(maxsize=256)
def _inline(raw: bytes, shape: tuple[int, ...]) -> str:
    """RGBA pixels as a PNG in an address of its own."""
    out = io.BytesIO()
    Image.frombytes("RGBA", (shape[1], shape[0]), raw).save(out, "png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


def _pictures(data: Data, rows: tuple[int, ...]) -> None:
    """Small pictures side by side, each with its name under it."""
    if not rows or picture(data, rows[0]) is None:
        return
    with st.container(horizontal=True, gap="small"):
        for row in rows:
            with st.container(width=76, gap=None, horizontal_alignment="center"):
                shown = picture(data, row)
                if shown is not None:
                    st.image(shown, width=64, alt=row_name(data, row))
                small(plain(row_name(data, row)))


def _first(
    data: Data,
    chosen: tuple[int, ...],
    key: str,
    change: Callable[[tuple[int, ...]], None],
    title: str,
    help: str,
) -> None:
    """Rows without a picture: how many of them, from the first."""
    most = min(len(data.x), 500)
    knob = controls.Knob(
        name="rows", kind="int", default=1, title=f"{title}: how many", ge=1, le=max(most, len(chosen)), log=True,
        help=f"{help.rstrip('. ')}. The first so many of {len(data.x)}",
    )  # fmt: skip
    controls.control(knob, len(chosen), key, lambda _name, count: change(tuple(range(count))))
    if chosen != tuple(range(len(chosen))):
        small("The link names its own rows; moving this takes the first ones.")


def _pages(
    data: Data,
    chosen: tuple[int, ...],
    key: str,
    change: Callable[[tuple[int, ...]], None],
    title: str,
    help: str,
) -> None:
    st.markdown(f":small[{plain(title)}]", help=help)
    _pictures(data, chosen[:4])
    if len(chosen) > 4:
        small(f"and {len(chosen) - 4} more")
    with st.popover("Choose rows", icon=":material/grid_view:", width="stretch", key=f"{key} choose"):
        pages = -(-len(data.x) // A_PAGE)
        page = st.pagination(pages, key=f"{key} page") if pages > 1 else 1
        first = ((page or 1) - 1) * A_PAGE
        with st.container(horizontal=True, gap="small"):
            for row in range(first, min(first + A_PAGE, len(data.x))):
                _tile(data, row, range(first, first + A_PAGE), chosen, key, change)


def _tile(
    data: Data,
    row: int,
    page: range,
    chosen: tuple[int, ...],
    key: str,
    change: Callable[[tuple[int, ...]], None],
) -> None:
    tick = f"{key} {row}"
    here = hold(tick, row in chosen)

    def ticked() -> None:
        """All ticks of the page as they stand now: several may come before the page is drawn again."""
        kept = [r for r in chosen if r not in page or st.session_state.get(f"{key} {r}")]
        fresh = [r for r in page if st.session_state.get(f"{key} {r}") and r not in chosen]
        if kept or fresh:
            change((*kept, *fresh))

    with st.container(width=84, gap=None):
        shown = picture(data, row)
        if shown is not None:
            st.image(shown, width=56, alt=row_name(data, row))
        st.checkbox(plain(row_name(data, row)), here, key=tick, on_change=guard(tick, ticked))


def _changed(key: str, change: Callable[[tuple[int, ...]], None]) -> None:
    rows = tuple(st.session_state[key] or ())
    if rows:
        change(rows)
