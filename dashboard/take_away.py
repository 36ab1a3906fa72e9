"""The link, a script that reproduces the run, its states and params, and the stage as a page of its own."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

import streamlit as st

from dashboard import kept, own_data
from dashboard.jobs import Engine
from dashboard.links import Visit
from dashboard.notices import code, small
from dashboard.plot import save_picture
from ebm_plugins import framed, link, report_page, takeaway
from ebm_plugins.records import Run
from ebm_plugins.registry import Registry
from ebm_plugins.runs import result_digest, spec_digest
from ebm_plugins.stamps import environment_of, stamp


def draw(engine: Engine, visit: Visit, run: Run) -> None:
    """The Take it away tab."""
    name = f"{run.spec.family}-{spec_digest(run.spec, engine.registry)[:8]}"
    st.markdown("### The whole link")
    small(
        "*Copy link*, under the stage, copies it. Every value, the version and the digests are in it, so a default that changes later does not change it."
    )
    address = full_link(engine, run)
    st.code(address, language=None, wrap_lines=True)
    st.markdown("### Downloads")
    with st.container(horizontal=True, gap="small"):
        _button(
            "Python script",
            f"{name}.py",
            "text/x-python",
            partial(takeaway.script, run, engine.registry),
            "code",
        )
        _button("States, CSV", f"{name}.csv", "text/csv", partial(takeaway.states_csv, run), "table")
        _button(
            "States, Parquet",
            f"{name}.parquet",
            "application/octet-stream",
            partial(_parquet, run),
            "table_chart",
        )
        _button(
            "Params, npz",
            f"{name}.npz",
            "application/octet-stream",
            partial(takeaway.params_npz, run),
            "data_array",
        )
        _button(
            "Stage, HTML",
            f"{name}.html",
            "text/html",
            partial(_html, run, engine.registry, address),
            "play_circle",
        )
        _picture(engine, visit, run, name)
        _button(
            "Report, HTML",
            f"{name}-report.html",
            "text/html",
            partial(_report, engine, run, address),
            "description",
        )
        held = takeaway.data_file(run)
        if held is not None:
            _button("Data, npy", held[0], "application/octet-stream", held[1], "dataset")
    small(
        "The script needs this project alone. The pages of the stage and of the report work without a network, and "
        "the report prints well. States are those at the end, one row a chain."
    )
    if takeaway.data_file(run) is not None:
        small(
            f"The link names your data by their digest. {own_data.how_long()} The script takes them from the file "
            "*Data, npy* beside it."
        )
    st.markdown("### Digests")
    st.markdown(
        f"Spec {code(spec_digest(run.spec, engine.registry), 80)}  \n"
        f"Result {code(kept.of(run, result_digest), 80)}  \n"
        f"Environment {code(environment_of(run))}"
    )
    small("The first is equal everywhere; the second wherever the environment is.")


def full_link(engine: Engine, run: Run) -> str:
    """The whole address, as a stranger would open it."""
    return root() + link.write(run.spec, engine.registry, full=True, stamp=kept.of(run, stamp))


def root() -> str:
    """Where the app is served, without the page: ``http://host/below``. Pages lie one step below it, so what is
    left of the address without its last step is the path that a host put before them."""
    here = urlsplit(st.context.url or "")
    return f"{here.scheme}://{here.netloc}{here.path.rpartition('/')[0]}" if here.netloc else ""


def _button(
    label: str, file_name: str, kind: str, make: Callable[[], str | bytes] | bytes, icon: str
) -> None:
    st.download_button(
        label, make, file_name, kind, icon=f":material/{icon}:", on_click="ignore", key=f"take {file_name}"
    )


def _picture(engine: Engine, visit: Visit, run: Run, name: str) -> None:
    light, width, height = framed.svg(run, engine.registry)
    dark, _, _ = framed.svg(run, engine.registry, dark=True)
    save_picture(light, dark, width, height, name=f"{name}.png", key=f"{visit.family}:picture")


def _report(engine: Engine, run: Run, address: str) -> str:
    return report_page.page(run, engine.registry, address)


def _parquet(run: Run) -> bytes:
    import pyarrow
    from pyarrow import parquet

    out = io.BytesIO()
    parquet.write_table(pyarrow.table(takeaway.states_table(run)), out)
    return out.getvalue()


def _html(run: Run, registry: Registry, address: str) -> str:
    from dashboard.export_page import page

    return page(run, registry, address)
