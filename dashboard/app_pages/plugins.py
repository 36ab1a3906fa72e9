"""Plugins: what is installed, from where; what was left out, and why; how to write one."""

from __future__ import annotations

import doctest
import os
from collections import Counter
from dataclasses import dataclass, field

import streamlit as st

from dashboard import embed, jobs
from dashboard.addresses import page_of
from dashboard.app_pages.conformance import conformance
from dashboard.boundary import boundary
from dashboard.jobs import Engine
from dashboard.notices import code, notice, plain, plural, small
from ebm_plugins import hookspecs
from ebm_plugins.records import Dataset, Failure, Family, Sampler
from ebm_plugins.registry import ALLOW_VARIABLE, GROUP, Registry

WHEN = {  # what was going on at a stage whose name does not say it
    "registration": "its hooks were compared with ours",
    "collection": "its records were being collected",
    "admission": "one of its records was being checked",
    "preset": "one of its presets was being resolved",
    "drawing": "one of its figures was being drawn",
}
ENTRY_POINT = f"""[project]
name = "my-plugin"
version = "0.1.0"
dependencies = ["ebm-plugins"]

[project.entry-points.{GROUP}]
my_plugin = "my_plugin"
"""


@dataclass
class Brought:
    """What one distribution brought."""

    name: str
    version: str
    modules: list[str] = field(default_factory=list)
    families: list[Family] = field(default_factory=list)
    samplers: list[Sampler] = field(default_factory=list)
    datasets: list[Dataset] = field(default_factory=list)


def plugins(registry: Registry, engine: Engine | None = None) -> None:
    """The page. ``engine`` runs the conformance checks: the app's own, unless another is given. Where it is embedded
    there are none."""
    st.markdown("# Plugins")
    if embed.is_embedded():
        embed.whole_page("plugins whole")
    st.markdown(
        "A plugin brings families, samplers or datasets. Each gets its page and its place in every choice by itself; "
        "one that is broken is left out, and costs nobody else anything."
    )
    if registry.failures:
        st.space("small")
        st.markdown("## Left out")
        for number, failure in enumerate(registry.failures):
            left_out(failure, number)
    st.space("small")
    st.markdown("## Installed")
    for brought in providers(registry):
        installed(brought)
    small(plain(allow_list(os.environ.get(ALLOW_VARIABLE))))
    if embed.is_embedded():
        return
    st.space("medium")
    with boundary("plugins", "conformance"):
        conformance(engine or jobs.engine())
    st.space("medium")
    write_one()


def providers(registry: Registry) -> list[Brought]:
    """What each distribution brought, in the registry's order: built-ins first."""
    found: dict[tuple[str, str], Brought] = {}
    records: list[Family | Sampler | Dataset] = [
        *registry.families.values(),
        *registry.samplers.values(),
        *registry.datasets.values(),
    ]
    for record in records:
        provider = registry.provider(record)
        one = found.setdefault((provider.name, provider.version), Brought(provider.name, provider.version))
        if provider.module not in one.modules:
            one.modules.append(provider.module)
        if isinstance(record, Family):
            one.families.append(record)
        elif isinstance(record, Sampler):
            one.samplers.append(record)
        else:
            one.datasets.append(record)
    return list(found.values())


def installed(brought: Brought) -> None:
    """One distribution: name, version, the modules it came from, and links to its families."""
    with st.container(border=True):
        st.markdown(f"**{plain(brought.name)}** {code(brought.version)}")
        if brought.families:
            with st.container(horizontal=True, gap="small", vertical_alignment="center"):
                for family in brought.families:
                    st.page_link(page_of(family), label=plain(family.title), help=plain(family.key))
        lines = []
        if brought.samplers:
            titles = ", ".join(plain(s.title) for s in brought.samplers)
            lines.append(f"{plural(len(brought.samplers), 'sampler')}: {titles}")
        if brought.datasets:
            titles = ", ".join(plain(d.title) for d in brought.datasets)
            lines.append(f"{plural(len(brought.datasets), 'dataset')}: {titles}")
        roots = Counter(module.rpartition(".")[0] or module for module in brought.modules)
        where = ", ".join(f"{name} ({plural(n, 'module')})" if n > 1 else name for name, n in roots.items())
        lines.append(f"From {plain(where)}")
        for line in lines:
            small(line)


def left_out(failure: Failure, number: int) -> None:
    """One failure: whose, at which stage, why, and the traceback."""
    when = f", while {WHEN[failure.stage]}." if failure.stage in WHEN else "."
    head = f"‘{plain(failure.plugin)}’ stopped at {code(failure.stage)}{when}"
    notice("bad", head, plain(failure.message, 1000), key=f"failure-{number}")
    if failure.traceback:
        with st.expander("Traceback", key=f"trace-{number}"):
            st.code(failure.traceback, language="text", wrap_lines=True)


def allow_list(value: str | None) -> str:
    """What the allow-list says, in words."""
    if value is None:
        return f"Every plugin that is installed is loaded. Set {ALLOW_VARIABLE} to a comma-separated list to load only those."
    names = [name.strip() for name in value.split(",") if name.strip()]
    if not names:
        return f"{ALLOW_VARIABLE} is empty: no plugin of a third party is loaded."
    return f"{ALLOW_VARIABLE} allows these plugins of third parties, and no others: {', '.join(names)}."


def write_one() -> None:
    """The smallest plugin, whole."""
    st.markdown("## Write one")
    st.markdown(
        "Three functions make a family: `energy`, `train` and `sample`. This file is a whole plugin; it gets "
        "controls, a stage, diagnostics and the exact answer without a line about any of them."
    )
    left, right = st.columns([780, 430], gap="medium")
    with left:
        small("my\\_plugin.py")
        st.code(example(), language="python", wrap_lines=True)
    with right:
        small("pyproject.toml")
        st.code(ENTRY_POINT, language="toml", wrap_lines=True)
        st.markdown("Install it beside this app, then start the app again:")
        st.code("pip install -e .", language="bash", wrap_lines=True)
        st.markdown(
            f"An allow-list keeps strangers out: `{ALLOW_VARIABLE}=my_plugin` loads this one only, an empty "
            "value none. The built-in families are always there."
        )


def example() -> str:
    """The example of the hook's own docstring, which a doctest runs: what cannot rot."""
    steps = doctest.DocTestParser().get_examples(hookspecs.register_families.__doc__ or "")
    made, block = "", False
    for source in (step.source.strip("\n") for step in steps if not step.want):
        gap = "\n\n\n" if block or "\n" in source else "\n"
        made += (gap if made else "") + source
        block = "\n" in source
    return made
