"""``?w=plane`` and so on: a stage of that kind, whose edits are counted; ``?w=figure`` two Plotly figures.

``&late`` shows the run of the edit before the last one, as a page does whose runs take longer than its clicks.
"""

import json
import time

import made
import numpy as np
import streamlit as st

from dashboard import plot, stage
from ebm_plugins.palette import LIGHT

st.set_page_config(layout="wide")
kind = st.query_params.get("w", "plane")
st.session_state.setdefault("edits", 0)
st.session_state.setdefault("edit", None)
st.session_state.setdefault("clicks", 0)
st.session_state.setdefault("seed", 7)


def edited(edit: plot.StartEdit) -> None:
    st.session_state.edits += 1
    st.session_state.edit = None if edit.cleared else edit


def again() -> None:
    st.session_state.seed += 1


def clicked(_click: plot.Click) -> None:
    st.session_state.clicks += 1


def shown(edit: plot.StartEdit | None):
    if kind == "plane":
        return made.plane(
            n=int(st.query_params.get("n", "300")),
            steps=int(st.query_params.get("steps", "200")),
            seed=st.session_state.seed,
            drawn=edit.states if edit else None,
            rows=np.random.default_rng(1).normal([-4.0, 4.0], 0.4, (80, 2))
            if "data" in st.query_params
            else None,
        )
    if kind == "flown":
        return made.flown()
    if kind == "refused":
        return made.refused(
            n=int(st.query_params.get("n", "4")),
            reach=float(st.query_params.get("reach", "1")),
            all_taken="taken" in st.query_params,
        )
    if kind == "grid":
        return made.grid(
            edit.states if edit else None, edit.free if edit else None, seed=st.session_state.seed
        )
    if kind == "many":
        return made.grid(n=30)
    if kind == "images":
        return made.images(
            n=int(st.query_params.get("n", "25")),
            steps=int(st.query_params.get("steps", "40")),
            first=edit.states if edit else None,
        )
    if kind == "flips":
        return made.refusing(made.grid(n=3))
    if kind == "stills":
        return made.refusing(made.images(n=4, steps=6))
    return {"vectors": made.vectors, "pairs": made.pairs}[kind]()


with st.container(horizontal_alignment="center"), st.container(width=1240):
    left, right = st.columns([870, 340], gap="medium")
    kinds = {"refused": "plane", "flown": "plane", "grid": "cells", "many": "cells", "vectors": "scatter"}
    kinds |= {"flips": "cells", "stills": "images"}
    with left, st.container(key=plot.host("the", kinds.get(kind, kind))):
        ready = st.session_state.get("ready", False)  # an empty container would not be there at all
        spot = st.container() if ready else st.skeleton(300)
    with right, st.container(border=True):
        st.button("Again", on_click=again)
    with left:
        report = {}
        if kind in ("figure", "empty"):
            spot.empty()
        st.session_state["ready"] = kind not in ("figure", "empty")
        if kind == "figure":
            import plotly.graph_objects as go

            z = np.random.default_rng(st.session_state.seed).random((8, 8))
            heat = go.Figure([go.Heatmap(z=z, showscale=False)])
            plot.figure(heat, key="heat", height=320, alt="A heat map", zoom=True, on_click=clicked)
            bars = go.Figure(go.Bar(x=[1, 2], y=["a", "b"], orientation="h", marker_color=LIGHT["model"]))
            plot.figure(bars, key="bars", height=220, alt="Two bars")
        elif kind != "empty":
            edit = st.session_state.edit
            began = time.perf_counter()
            late = st.session_state.get("before") if "late" in st.query_params else edit
            st.session_state["before"] = edit
            payload = stage.payload(shown(late))
            report["seconds"] = time.perf_counter() - began
            with spot if ready else spot.container():
                returned = plot.stage(payload, key="stage", on_edit=edited)
            report |= {"returned": returned is not None}
            if edit is not None:
                report |= {
                    "states": edit.states.tolist(),
                    "free": edit.free.tolist() if edit.free is not None else None,
                }
        report |= {
            "edits": st.session_state.edits,
            "clicks": st.session_state.clicks,
            "seed": st.session_state.seed,
        }
        st.html(f"<div id='report' data-report='{json.dumps(report)}'>below</div>")
