"""The control panel of a lab page: preset, data and training, sampler, start, seed; the rest under More."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import streamlit as st

from dashboard import controls, late, links, own_data, start_panel
from dashboard.links import Visit
from dashboard.notices import code, error_line, expected, plain, small
from dashboard.rows import pick_rows
from ebm_plugins import ConfigError, link, plans
from ebm_plugins.config import Knob
from ebm_plugins.plans import MAX_SEED, Plan
from ebm_plugins.registry import Registry

TRAIN_SHOWN, SAMPLE_SHOWN, ALONE = 2, 2, 4  # controls shown at once; the rest is under More
FOLDED = 8  # of those that are folded away together
OWN = "Your own settings"
SEED = Knob(
    name="seed", kind="int", default=0, title="Seed", ge=0, le=MAX_SEED,
    help="The same seed gives the same numbers. Change it to see what chance does",
)  # fmt: skip


def draw(visit: Visit, made: Plan, registry: Registry, error: ConfigError | None) -> None:
    """All the controls, showing what is in force. ``error`` is shown at the control that can mend it."""
    key, family = visit.family, made.family
    asked = visit.asked
    with st.container(border=True, key=f"{key} controls", gap="xsmall"):
        _preset(visit, made, registry)
        learns = family.needs_data(made.train_config)
        shown, more = controls.split(family.train_config, FOLDED if learns else TRAIN_SHOWN)
        heading = bool(shown) or _offers_data(made, registry)
        set_train = links.setter(visit, registry, "train")
        rows, room = _row_picker(made), visit.room
        with _training(visit, made, error) if heading and learns else nullcontext():
            _dataset(visit, made, registry, error)
            controls.config(shown, asked.train, f"{key}.train", set_train, error, rows, room)
        refused = _sampler(visit, made, registry, error)
        model = made.sampler.config if made.sampler else family.sample_config
        sample_shown, sample_more = controls.split(model, SAMPLE_SHOWN if heading else ALONE)
        set_sample = links.setter(visit, registry, "sample")
        prefix = f"{key}.{made.spec.sampler}.sample"  # each sampler's controls are its own
        controls.config(sample_shown, asked.sample, prefix, set_sample, error, room=room)
        start_panel.draw(visit, made, registry, error)
        left, right = st.columns(2, vertical_alignment="bottom")
        with left:
            if not room.hides("seed"):
                set_seed = _set_seed(visit, registry)
                controls.control(SEED, asked.seed, f"{key}.seed", set_seed, disabled=room.holds("seed"))
        with right, st.popover("More", icon=":material/tune:", width="stretch", key=f"{key} more"):
            if more:
                small("**Training**")
                controls.config(more, asked.train, f"{key}.train", set_train, error, rows, room)
            if sample_more:
                small("**Sampling**")
                controls.config(sample_more, asked.sample, prefix, set_sample, error, room=room)
            start_panel.draw_more(visit, made, registry, error)
            _not_offered({**refused, **plans.broken_datasets(family, registry)}, registry)
        if error is not None and not _has_control(error, made):
            error_line(f"{code(error.field)}: {expected(error.expected, error.got)}")
        if visit.breach:
            error_line(f"Not changed: the link holds {code(visit.breach)} as it is.")
        small("All of this is in the address.")


def _training(visit: Visit, made: Plan, error: ConfigError | None) -> Any:
    """What a model learns from and how, folded: with it open the panel would be higher than the stage beside it."""
    field = error.field if error is not None else ""
    title = plain(made.data.name) if made.data.name else ""
    return st.expander(
        f"Data and training{' · ' if title else ''}{title}", key=f"{visit.family} training", icon=":material/model_training:",
        expanded=field == "data" or field.startswith("train."),
    )  # fmt: skip


def _preset(visit: Visit, made: Plan, registry: Registry) -> None:
    presets = list(made.family.presets)
    if not presets or visit.room.hides("preset"):
        return
    key = f"{visit.family}.preset"
    name = link.preset_of(visit.spec, registry)
    offered = presets if name else [OWN, *presets]
    here = late.hold(key, name or OWN, offered)

    def chosen() -> None:
        name = st.session_state[key]
        if name in made.family.presets:
            late.whole()
            visit.room = replace(visit.room, lesson="")
            links.change(visit, registry, made.family.presets[name])

    st.selectbox(
        "Preset", offered, offered.index(here), key=key, on_change=late.guard(key, chosen),
        disabled=visit.room.holds("preset"),
        help="A named set of values for everything below. Changing any of them makes it your own.",
    )  # fmt: skip


def _datasets(made: Plan, registry: Registry) -> dict[str, str]:
    """Key → title of the data to choose among: bare spaces alone for a model that learns nothing."""
    offered = plans.offered_datasets(made.family, registry, made.train_config)
    if not made.family.needs_data(made.train_config):
        bare = {k: t for k, t in offered.items() if plans.load_data(registry.datasets[k]).bare}
        offered = bare or offered
    if made.spec.dataset not in offered:
        known = registry.datasets.get(made.spec.dataset)
        offered = {**offered, made.spec.dataset: known.title if known else made.data.name or "From the link"}
    return offered


def _offers_data(made: Plan, registry: Registry) -> bool:
    return len(_datasets(made, registry)) > 1


def _dataset(visit: Visit, made: Plan, registry: Registry, error: ConfigError | None) -> None:
    offered = _datasets(made, registry)
    learns = made.family.needs_data(made.train_config)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        if len(offered) > 1 and not visit.room.hides("data"):
            key = f"{visit.family}.data"

            def chosen() -> None:
                spec = replace(visit.asked, dataset=st.session_state[key], train_stop=None, sample_stop=None)
                links.change(visit, registry, spec, adapt=True)

            described = registry.datasets.get(made.spec.dataset)
            about = (described.summary if described else "") + " In links: `data`."
            controls.choose(
                "Data" if learns else "Space", list(offered), visit.asked.dataset or made.spec.dataset,
                show=lambda k: offered.get(k, k), key=key,
                on_change=late.guard(key, chosen), help=about.strip(), disabled=visit.room.holds("data"),
            )  # fmt: skip
        if learns and not visit.room.holds("data"):
            own_data.button(visit, made, registry)
    _at("data", error)


def _sampler(visit: Visit, made: Plan, registry: Registry, error: ConfigError | None) -> dict[str, str]:
    """The choice of a sampler; returns what is not offered, and why."""
    offered, refused = plans.offered_samplers(made.family, made.space, registry, made.train_config)
    if made.spec.sampler not in offered:
        offered = {**offered, made.spec.sampler: made.family.title}
    key = f"{visit.family}.sampler"

    def chosen() -> None:
        spec = replace(visit.asked, sampler=st.session_state[key], sample_stop=None)
        links.change(visit, registry, _known_values(spec, registry), adapt=True)

    summary = made.sampler.summary if made.sampler else "The family's own way of sampling."
    if len(offered) > 1 and not visit.room.hides("sampler"):
        controls.choose(
            "Sampler", list(offered), made.spec.sampler, show=lambda k: offered.get(k, k), key=key,
            on_change=late.guard(key, chosen), help=f"{summary} In links: `sampler`.",
            disabled=visit.room.holds("sampler"),
        )  # fmt: skip
    _at("sampler", error)
    return refused


def _known_values(spec: Any, registry: Registry) -> Any:
    """The spec without the sampling values that its new sampler has no field for."""
    sampler = registry.samplers.get(spec.sampler)
    model = sampler.config if sampler else registry.families[spec.family].sample_config
    return replace(spec, sample={k: v for k, v in spec.sample.items() if k in model.model_fields})


def _not_offered(refused: dict[str, str], registry: Registry) -> None:
    if not refused:
        return
    small("**Not offered here**")
    lines = []
    for name, reason in refused.items():
        title = registry.samplers[name].title if name in registry.samplers else name
        lines.append(f"- {plain(title)}: {plain(reason.rstrip('.'))}.")
    st.markdown("\n".join(f"{line[:2]}:small[:gray[{line[2:]}]]" for line in lines))


def _set_seed(visit: Visit, registry: Registry) -> Callable[[str, Any], None]:
    def set_seed(_name: str, value: Any) -> None:
        if int(value) == visit.asked.seed:
            return
        spec = replace(visit.asked, seed=int(value), train_stop=None, sample_stop=None)
        links.change(visit, registry, spec)

    return set_seed


def _row_picker(made: Plan) -> Callable[..., None]:
    def pick(one: Knob, value: tuple[int, ...], key: str, change: controls.Change) -> None:
        pick_rows(
            made.data,
            value,
            key,
            lambda rows: change(one.name, rows),
            title=one.title,
            help=controls.help_text(one),
        )

    return pick


def _at(field: str, error: ConfigError | None) -> None:
    if error is not None and error.field == field:
        error_line(expected(error.expected, error.got))


def _has_control(error: ConfigError, made: Plan) -> bool:
    """Whether the error was shown at a control of its own."""
    part, _, name = error.field.partition(".")
    model = made.sampler.config if made.sampler else made.family.sample_config
    fields = {"train": made.family.train_config.model_fields, "sample": model.model_fields}
    if part in fields:
        return name in fields[part]
    return error.field in ("data", "sampler") or part == "start"
