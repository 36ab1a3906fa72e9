"""Data of one's own: a file is looked at, read as the visitor chooses, shown, and used only when that is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import streamlit as st

from dashboard import links, uploads
from dashboard.controls import number
from dashboard.limits import settings
from dashboard.links import Visit
from dashboard.notices import error_line, expected, notice, plain, plural, small
from dashboard.plot import figure
from ebm_plugins import ConfigError, files, own, store, stored
from ebm_plugins.files import Content, Pictures
from ebm_plugins.own import Choice, Made
from ebm_plugins.palette import LIGHT
from ebm_plugins.pictures import image_shape, pixels
from ebm_plugins.plans import Plan
from ebm_plugins.records import Array
from ebm_plugins.registry import Registry
from ebm_plugins.spaces import BinaryGrid, Plane, Space, Vectors
from ebm_plugins.tables import Table

SHOWN, TILES, GAP = 1500, 24, 8  # points and pictures of the preview; pixels between pictures
WORDS = {Plane: "points", BinaryGrid: "patterns", Vectors: "rows"}


def button(visit: Visit, made: Plan, registry: Registry) -> None:
    """Opens the dialog, which stays open through the page's own reruns until it is closed or its data are used."""
    key = f"{visit.family}.own"
    opened = f"{key} open"

    def open_() -> None:
        st.session_state[opened] = True

    st.button(
        "Own data", icon=":material/upload_file:", key=key, on_click=open_,
        help="A table, an array or pictures of your own, looked at before anything is learned from them.",
    )  # fmt: skip
    if st.session_state.get(opened):

        def closed() -> None:
            st.session_state[opened] = False

        st.dialog("Own data", width="large", on_dismiss=closed)(_dialog)(visit, made, registry, opened)


def how_long() -> str:
    """How data are kept, in a sentence or two."""
    held = store.uploads()
    return (
        f"This host keeps them until {plural(round(held.days), 'day')} after they were last opened; should its "
        f"{number(held.most_bytes / 1e6)} MB for everybody's data be full, what was opened longest ago goes first. "
        "Whoever has the file can then give it again."
    )


def ask(visit: Visit, registry: Registry) -> None:
    """In place of the stage, when the data of a link are not kept here (any more): asks for the same file."""
    space = stored.space_of(visit.missing)
    notice(
        "warn", "The data of this link are not kept here any more.",
        f"It was made with somebody's own data ({plain(_described(space))}), which a host keeps for a time only. Nothing "
        "was run in their place. Give the same file again, and the link goes on as it was.",
        key=f"{visit.family} gone",
    )  # fmt: skip
    key = f"{visit.family}.gone file"
    content, _ = _uploaded(key, "The file that the data came from")
    if content is not None:
        made = own.recognise(content, visit.missing)
        if made is None:
            wanted = f"the file whose rows have the digest {stored.digest_of(visit.missing)[:12]}…"
            error_line(expected(wanted, "another one"))
        elif _kept(made) is not None:
            links.forget(visit)
            st.rerun()

    def others() -> None:
        gone = stored.missing(visit.spec.dataset)
        links.change(visit, registry, replace(visit.spec, dataset="") if gone else visit.spec, adapt=True)

    st.button(
        "Go on with the data that this page begins with", icon=":material/redo:", key=f"{visit.family} others",
        on_click=others, help="The other values of the link are kept where they fit.",
    )  # fmt: skip


def _dialog(visit: Visit, made: Plan, registry: Registry, opened: str) -> None:
    content, tag = _uploaded(f"{visit.family}.own file", "A file, or several pictures")
    if content is None:
        small(
            f"CSV, Parquet, NumPy (npy, npz) or pictures (PNG, JPEG, GIF, BMP), up to {settings().upload_mb} MB. "
            "You see what is made of it before anything is learned."
        )
        _drawn(visit, made, registry, opened)
        return
    offered = own.kinds(content, made.family.accepts)
    if not offered:
        wanted = " or ".join(kind.__name__ for kind in made.family.accepts)
        error_line(expected(f"what this model learns from ({wanted})", _brief(content)))
        return
    left, right = st.columns([2, 3], gap="medium")
    with left:
        choice = _choice(f"{visit.family}.own {tag}", content, offered, made.data.space)
    try:
        found = own.make(content, choice)
    except ConfigError as error:
        with right:
            error_line(expected(error.expected, error.got))
        return
    with right:
        _preview(visit.family, found, content, choice)
    small(
        "They travel in the link itself."
        if found.inline
        else f"The link names them by their digest. {how_long()}"
    )
    if st.button("Use these data", type="primary", icon=":material/check:", key=f"{visit.family}.own use"):
        key = _kept(found)
        if key is not None:
            st.session_state[opened] = False
            _learn(visit, registry, key)
            st.rerun()


def _drawn(visit: Visit, made: Plan, registry: Registry, opened: str) -> None:
    """On a grid, the start as drawn on the stage can join the patterns."""
    run = visit.shown.run if visit.shown is not None else None
    if run is None or made.space != made.data.space or not own.has_room(made.data):
        return
    st.markdown("### Drawn by hand")
    small("What you draw on the stage, cell by cell, can be learned too.")
    if st.button("Learn the shown start too", icon=":material/add:", key=f"{visit.family}.data add"):
        dataset = own.with_row(made.data, run.sampling.frames[0][0])
        if dataset is None:
            small("It is among the patterns already.")
            return
        st.session_state[opened] = False
        _learn(visit, registry, dataset)
        st.rerun()


def _learn(visit: Visit, registry: Registry, dataset: str) -> None:
    spec = replace(visit.asked, dataset=dataset, train_stop=None, sample_stop=None)
    links.change(visit, registry, spec, adapt=True)


def _kept(made: Made) -> str | None:
    """The key of these rows, or None (and why, on the page) where they cannot be kept."""
    try:
        key = own.keep(made)
    except ConfigError as error:
        error_line(expected(error.expected, error.got))
        return None
    uploads.let_go()
    return key


def _uploaded(key: str, label: str) -> tuple[Content | None, str]:
    """What the chosen files hold, and a name for them: read once, refused in a line."""
    chosen = st.file_uploader(
        label,
        type=list(files.ENDINGS),
        key=key,
        accept_multiple_files=True,
        max_upload_size=settings().upload_mb,
    )
    if not chosen:
        st.session_state.pop(f"{key} read", None)
        return None, ""
    ids = [one.file_id for one in chosen]
    held = st.session_state.get(f"{key} read")
    if held is None or held[0] != ids:
        held = (ids, _read([(one.name, one) for one in chosen]))
        st.session_state[f"{key} read"] = held
    if isinstance(held[1], ConfigError):
        error_line(expected(held[1].expected, held[1].got))
        return None, ""
    return held[1], ids[0]


def _read(chosen: Sequence[tuple[str, Any]]) -> Content | ConfigError:
    try:
        return files.read([(name, file.getvalue()) for name, file in chosen])
    except ConfigError as error:
        return error


def _choice(prefix: str, content: Content, offered: Sequence[str], space: Space) -> Choice:
    """How to read it: what it is, and what that kind needs to know."""
    kind = offered[0]
    if len(offered) > 1:
        kind = st.radio("Read it as", list(offered), format_func=own.KINDS.__getitem__, key=f"{prefix} kind")
    choice = own.usual(content, kind, space)
    if kind in ("points", "vectors") and isinstance(content, Table):
        if kind == "points":
            choice = replace(choice, columns=_columns(prefix, content, choice.columns))
        scaling = st.segmented_control(
            "Scale", list(own.SCALINGS), format_func=own.SCALINGS.__getitem__, default=choice.scaling,
            key=f"{prefix} scale", required=True, width="stretch",
            help="Standardise: every column then has mean 0 and standard deviation 1, which is what the models' "
            "step sizes and noise levels are made for.",
        )  # fmt: skip
        return replace(choice, scaling=scaling or choice.scaling)
    choice = _sized(prefix, content, choice)
    if kind == "patterns":
        threshold = st.select_slider(
            "Threshold", list(own.THRESHOLDS), value=choice.threshold, key=f"{prefix} threshold",
            help="A cell is on where it is above this share of the way from the least value to the greatest.",
        )  # fmt: skip
        choice = replace(choice, threshold=threshold)
    label = "Dark is on" if kind == "patterns" else "Turn dark and light"
    return replace(choice, dark=st.toggle(label, value=choice.dark, key=f"{prefix} dark {kind}"))


def _columns(prefix: str, table: Table, usual: tuple[int, int]) -> tuple[int, int]:
    chosen = []
    for axis, name in enumerate(("Across", "Up")):
        chosen.append(
            st.selectbox(
                name,
                range(len(table.names)),
                index=usual[axis],
                format_func=lambda c: table.names[c],
                key=f"{prefix} {name}",
            )
        )
    return chosen[0], chosen[1]


def _sized(prefix: str, content: Content, choice: Choice) -> Choice:
    """How many cells: any number for pictures, what its columns allow for a table."""
    now = (choice.rows, choice.cols)
    if isinstance(content, Table):
        fitting = own.sizes(content)
        rows, cols = st.selectbox(
            "Size", fitting, index=fitting.index(now) if now in fitting else 0, key=f"{prefix} size",
            format_func=lambda pair: f"{pair[0]} × {pair[1]}",
        )  # fmt: skip
        return replace(choice, rows=rows, cols=cols)
    sides = []
    for name, usual in zip(("Rows", "Columns"), now, strict=True):
        sides.append(
            st.selectbox(
                name,
                sorted({*own.SIDES, usual}),
                index=sorted({*own.SIDES, usual}).index(usual),
                key=f"{prefix} {name}",
            )
        )
    return replace(choice, rows=sides[0], cols=sides[1])


def _preview(family: str, made: Made, content: Content, choice: Choice) -> None:
    """What would be learned from, and what was left out of it."""
    count = len(made.x)
    st.markdown(f"### {number(count)} {_words(made.space, count)}")
    if isinstance(made.space, Plane):
        assert isinstance(content, Table)
        names = [content.names[c] for c in choice.columns]
        alt = f"{count} points, {names[0]} across and {names[1]} up."
        figure(_scatter(made.x, names), key=f"{family}:own preview", height=320, alt=alt)
    elif image_shape(made.space) is not None:
        st.image(_sheet(made), alt=f"The first {min(count, TILES)} of {count} {_words(made.space, count)}.")
    else:
        st.dataframe(made.x[:5], height="content")
    left = [f"{one}." for one in made.dropped]
    if isinstance(content, Table) and content.left_out:
        shown = ", ".join(content.left_out[:6]) + (" …" if len(content.left_out) > 6 else "")
        left.append(f"Columns without numbers: {shown}.")
    if isinstance(content, Pictures) and any(p.shape[0] * made.space.dim == 0 for p in content.pictures):
        left.append("Pictures without pixels.")
    small("Left out: " + plain(" ".join(left), 600) if left else "Nothing was left out.")


def _scatter(x: Array, names: Sequence[str]) -> dict[str, Any]:
    few = x[np.unique(np.linspace(0, len(x) - 1, min(len(x), SHOWN)).astype(int))]
    low, high = np.quantile(few, [0.005, 0.995], axis=0)
    reach = 0.6 * float((high - low).max() or 1.0)
    middle = (low + high) / 2
    marker = {"size": 5, "color": LIGHT["data"], "line": {"width": 0.8, "color": LIGHT["halo"]}}
    trace = {
        "type": "scatter", "mode": "markers", "x": few[:, 0], "y": few[:, 1], "marker": marker,
        "hovertemplate": "%{x:.3g}, %{y:.3g}<extra></extra>",
    }  # fmt: skip
    axes = [
        {"title": {"text": plain_title(names[i])}, "range": [middle[i] - reach, middle[i] + reach]}
        for i in (0, 1)
    ]
    return {"data": [trace], "layout": {"xaxis": axes[0], "yaxis": {**axes[1], "scaleanchor": "x"}}}


def plain_title(text: str) -> str:
    """A stranger's word as a title in Plotly, which would take tags for markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _sheet(made: Made) -> Array:
    """The first pictures side by side, as RGBA pixels."""
    shape = image_shape(made.space)
    assert shape is not None
    cells = isinstance(made.space, BinaryGrid)
    tiles = [pixels(np.reshape(row, shape), cells=cells) for row in made.x[:TILES]]
    height, width = tiles[0].shape[:2]
    across = min(len(tiles), max(1, 640 // (width + GAP)))
    down = -(-len(tiles) // across)
    out = np.zeros((down * (height + GAP) - GAP, across * (width + GAP) - GAP, 4), dtype=np.uint8)
    for index, tile in enumerate(tiles):
        top, left = (index // across) * (height + GAP), (index % across) * (width + GAP)
        out[top : top + height, left : left + width] = tile
    return out


def _words(space: Space, count: int) -> str:
    if isinstance(space, Plane):
        return "point" if count == 1 else "points"
    shape = image_shape(space)
    if shape is None:
        return f"{'row' if count == 1 else 'rows'} of {space.dim} numbers"
    name = "pattern" if isinstance(space, BinaryGrid) else "picture"
    return f"{name}{'' if count == 1 else 's'} of {shape[0]} × {shape[1]} cells"


def _described(space: Space) -> str:
    return _words(space, 2)


def _brief(content: Content) -> str:
    if isinstance(content, Table):
        return f"a table of {plural(content.x.shape[1], 'column')}"
    return plural(len(content.pictures), "picture")
