"""Checks of training: what it yields, that it can be repeated and cut short, and that it learns."""

from __future__ import annotations

import io
import random
from collections.abc import Mapping
from itertools import islice
from typing import Any

import numpy as np

from ebm_plugins.exact import enumerate_states
from ebm_plugins.keeping import check_params, check_snapshot
from ebm_plugins.records import FAULTS, ConfigError, Data, Params, PluginError
from ebm_plugins.runs import length_of
from ebm_plugins.takeaway import npz
from ebm_plugins.testing.kit import Finding, Skip, Wrong, check, require
from ebm_plugins.testing.subject import Subject
from ebm_plugins.testing.varied import changed, lasting, variants

LISTED = 12  # cells of a grid whose states are all looked at


def copied(params: Params) -> dict[str, Any]:
    """Params in arrays of their own."""
    return {name: np.array(value) for name, value in params.items()}


def same(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether two mappings of arrays are equal bit for bit (NaN equals NaN)."""
    return set(a) == set(b) and all(
        np.asarray(a[k]).dtype == np.asarray(b[k]).dtype
        and np.array_equal(a[k], b[k], equal_nan=np.asarray(a[k]).dtype.kind == "f")
        for k in a
    )


@check("family")
def train_snapshots(subject: Subject) -> Finding:
    """Training yields Snapshots: params are a mapping of names to finite arrays of numbers under names that stay, metrics
    are finite floats; the data are not written to."""
    made = subject.plans[0]
    before = np.array(made.data.x)
    count, names = 0, set()
    for snapshot in subject.train():
        try:
            checked = check_snapshot(snapshot, subject.record.key, "train")
            params = check_params(checked.value, subject.record.key)
        except PluginError as error:
            raise Wrong(f"snapshot {count}: {error.message}") from error
        for name, value in params.items():
            kind = f"snapshot {count}: params[{name!r}] is {value.dtype}, not an array of numbers"
            require(value.dtype.kind in "biuf", kind)
            if value.dtype.kind == "f":
                require(np.isfinite(value).all(), f"snapshot {count}: params[{name!r}] is not finite")
        for metric, number in checked.metrics.items():
            require(
                is_float(number), f"snapshot {count}: the metric {metric!r} is {number!r}; make it a float"
            )
            require(np.isfinite(number), f"snapshot {count}: the metric {metric!r} is {number}")
        names |= set(params)
        require(set(params) == names, f"snapshot {count} lacks params that an earlier one had")
        count += 1
    require(count, "training ended without a snapshot")
    require(np.array_equal(before, made.data.x), "training wrote into the data")
    return Finding(f"{count} snapshots")


def is_float(number: Any) -> bool:
    """Whether a metric is a float, as it should be: an int may be one that was cut off."""
    return isinstance(number, float | np.floating)


@check("family")
def train_counts_epochs(subject: Subject) -> Finding:
    """Where the config has ``epochs`` (or ``steps``), training yields as many snapshots at most, over its ``every`` where
    it has one, for a short and a longer one: pages say by it how far it is."""
    made = subject.plans[0]
    fields = type(made.train_config).model_fields
    length = next((name for name in ("steps", "epochs") if name in fields), "")
    if not length:
        raise Skip("its config has neither epochs nor steps")
    figures = []
    for asked in (3, 6):
        values = {length: asked, "every": 1} if "every" in fields else {length: asked}
        config = changed(made.train_config, **values)
        most = length_of(config)
        assert most is not None
        count = sum(1 for _ in zip(range(most + 50), subject.train(config), strict=False))
        name = f"{length}={getattr(config, length)}"
        require(
            1 <= count <= most,
            f"{name}: it yields {count}{'' if count < most + 50 else ' or more'} snapshots",
        )
        figures.append(f"{count} of {most}")
    return Finding(", ".join(figures))


@check("family")
def train_repeatable(subject: Subject) -> Finding:
    """The same seed gives the same stream of params and metrics bit for bit; neither NumPy's nor Python's global random
    numbers are used or moved."""
    streams = []
    for salt in (1, 2):
        np.random.seed(salt)  # noqa: NPY002
        random.seed(salt)
        before = global_state()
        streams.append([(copied(s.value), dict(s.metrics)) for s in subject.train()])
        require(before == global_state(), "training draws from a global generator instead of rng")
    first, again = streams
    require(len(first) == len(again), f"{len(first)} snapshots, then {len(again)} from the same seed")
    for step, ((p, m), (q, n)) in enumerate(zip(first, again, strict=True)):
        require(same(p, q), f"snapshot {step}: other params from the same seed")
        require(same(m, n), f"snapshot {step}: other metrics from the same seed")
    return Finding(f"{len(first)} snapshots twice")


def global_state() -> tuple[bytes, int, int]:
    state: Any = np.random.get_state(legacy=False)  # noqa: NPY002
    inner = state["state"]
    return np.asarray(inner["key"]).tobytes(), int(inner["pos"]), hash(random.getstate())


@check("family")
def train_snapshots_kept(subject: Subject) -> Finding:
    """A yielded params array is never edited afterwards."""
    kept = []
    for snapshot in subject.train():
        kept.append((snapshot.value, copied(snapshot.value)))
        if len(kept) >= 300:
            break
    for step, (value, copy) in enumerate(kept):
        require(same(value, copy), f"the params of snapshot {step} were edited by a later one")
    return Finding(f"{len(kept)} snapshots")


@check("family")
def train_stops(subject: Subject) -> None:
    """Closed after its first snapshot, training ends without a sound, what it yielded stays, and it can begin again."""
    stream = subject.family.train(subject.plans[0].data, subject.plans[0].train_config, subject.rng("stops"))
    first = next(iter(stream), None)
    require(first is not None, "training ended without a snapshot")
    assert first is not None
    before = copied(first.value)
    close = getattr(stream, "close", None)
    require(close is not None, "train is not a generator: it cannot be stopped")
    try:
        close()  # type: ignore[misc]
    except BaseException as error:
        raise Wrong(f"closing it raised {type(error).__name__}: {error}") from error
    require(same(first.value, before), "closing it edited what it had yielded")
    again = next(iter(subject.train()), None)
    require(again is not None, "after being closed it does not begin again")


@check("family")
def train_learns(subject: Subject) -> Finding:
    """Learning makes data likelier than noise: after training on its example the mean energy of the data is below that of
    noise, all states of a small grid or 4,000 of the space's own. Without an example it is not above. The figure shows
    by how much, first and last."""
    family, made = subject.family, subject.plans[0]
    if not family.needs_data(made.train_config) or made.data.bare:
        raise Skip("it learns nothing from data")
    if made.data.space != made.space:
        raise Skip("its states do not live where the data do")
    subject.energies  # noqa: B018
    small = made.space.discrete and made.space.dim <= LISTED
    noise = enumerate_states(made.space.dim) if small else made.space.noise(4000, subject.rng("noise"))
    gaps, unsure = [], 0.0
    for params in subject.trained:
        there, here = (np.asarray(family.energy(params, y), float) for y in (noise, np.array(made.data.x)))
        gaps.append(float(there.mean() - here.mean()))
        unsure = 1e-9 * max(1.0, float(np.abs(there).max())) + (
            0.0 if small else 5 * there.std() / len(noise) ** 0.5
        )
    if gaps[-1] <= 0 and not _depends(subject):
        raise Skip("its energy does not depend on the data")
    if family.example is None and abs(gaps[-1]) <= unsure:
        raise Skip(
            f"of {made.data.name or made.spec.dataset} it learns nothing that shows; give it an example that it can learn"
        )
    level = f"{-gaps[-1]:.3g} above" if -gaps[-1] > unsure else "no lower than"
    require(gaps[-1] > 0, f"after training the mean energy of data is {level} that of noise")
    return Finding("data below noise by " + " → ".join(f"{gap:.3g}" for gap in gaps))


def _depends(subject: Subject) -> bool:
    """Whether other data make other params."""
    made = subject.plans[0]
    other = Data(x=made.space.noise(len(made.data.x), subject.rng("other data")), space=made.data.space)
    try:
        *_, last = subject.train(data=other)
    except Exception:
        return True
    return not same(last.value, subject.params)


@check("family")
def train_without_data(subject: Subject) -> Finding:
    """Where ``learns`` says no, training runs on a bare space and data make no difference to the params."""
    family, made = subject.family, subject.plans[0]
    asked = [made.train_config, *variants(made.train_config).values()]
    free = [config for config in asked if not family.needs_data(config)]
    if not free:
        raise Skip("it always learns from data")
    space = made.data.space
    bare = Data(x=np.empty((0, space.dim)), space=space)
    full = Data(x=space.noise(20, subject.rng("data")), space=space)
    for config in free:
        ends = []
        for data in (bare, full):
            try:
                *_, last = subject.train(config, data=data)
            except FAULTS as error:
                what = "a bare space" if data is bare else "data"
                raise Wrong(f"on {what} training raised {type(error).__name__}: {error}") from error
            ends.append(copied(last.value))
        require(same(*ends), f"learns says no for {config!r}, yet the data change the params")
    return Finding(f"{len(free)} configs")


@check("family")
def train_choices(subject: Subject) -> Finding:
    """Every variant of the training config yields params whose energies and gradients on the same states are finite and
    of the right shape, or raises ConfigError before its first snapshot."""
    family, made, x = subject.family, subject.plans[0], subject.points
    subject.energies  # noqa: B018
    made_it = refused = 0
    for name, config in variants(made.train_config).items():
        short = config if "epochs" not in type(config).model_fields else lasting_epochs(config)
        try:
            snapshot = next(iter(subject.train(short)), None)
        except ConfigError:
            refused += 1
            continue
        except Exception as error:
            raise Wrong(f"{name}: training raised {type(error).__name__}: {error}") from error
        require(snapshot is not None, f"{name}: training ended without a snapshot")
        assert snapshot is not None
        energies = np.asarray(family.energy(snapshot.value, x.copy()))
        require(energies.shape == (len(x),), f"{name}: energies have shape {energies.shape}")
        score_only = family.gradient is not None and np.isnan(energies).all()
        require(score_only or np.isfinite(energies).all(), f"{name}: some energies are not finite")
        if family.gradient is not None:
            slope = np.asarray(family.gradient(snapshot.value, x.copy()))
            require(
                slope.shape == x.shape and np.isfinite(slope).all(),
                f"{name}: the gradient is not finite (n, dim)",
            )
        made_it += 1
    return Finding(f"{made_it} trained, {refused} refused")


def lasting_epochs(config: Any) -> Any:
    """The config with few epochs, as far as its bounds go."""
    shorter = lasting(config, 2)
    values = {name: getattr(shorter, name) for name in type(config).model_fields}
    try:
        return type(config)(**{**values, "epochs": min(values["epochs"], 4)})
    except Exception:
        return shorter


@check("family")
def params_are_all(subject: Subject) -> None:
    """Energy and gradient need nothing but params and x, and sampling nothing but params, config, rng and x: training
    again, on other data and from another seed, leaves all three as they were for the first params, bit for bit."""
    made = subject.plans[0]
    params = copied(subject.params)
    first = _answers(subject, params)
    rows = made.data.x
    other = rows[::-1][: max(1, len(rows) // 2)] if len(rows) else rows
    for data, word in ((made.data, "again"), (Data(x=np.array(other), space=made.data.space), "other")):
        try:
            for _ in zip(range(3), subject.train(None, word, data=data), strict=False):
                pass
        except ConfigError:
            continue
    now = _answers(subject, params)
    for name, answer in first.items():
        require(
            np.array_equal(answer, now[name], equal_nan=True),
            f"{name} of the first params changed when others were trained",
        )


def _answers(subject: Subject, params: Params) -> dict[str, Any]:
    """What energy, gradient and the first snapshots of sample say of params."""
    family, x = subject.family, subject.points
    found = {"the energy": np.array(family.energy(params, x.copy()))}
    if family.gradient is not None:
        found["the gradient"] = np.array(family.gradient(params, x.copy()))
    case, rng = subject.cases[0], subject.rng("params are all")
    start = case.start(12, rng)
    if case.plan.sampler is None:
        stream = family.sample(params, lasting(case.config, 2), rng, start)
        found["the sample"] = np.stack([np.array(s.value) for s in islice(stream, 2)])
    return found


@check("family")
def params_saved(subject: Subject) -> Finding:
    """Params saved as .npz without pickle and loaded again give the same energies, bit for bit."""
    family, x, params = subject.family, subject.points, subject.params
    try:
        text = npz(params)
    except FAULTS as error:
        raise Wrong(f"params cannot be saved: {type(error).__name__}: {error}") from error
    with np.load(io.BytesIO(text), allow_pickle=False) as arrays:
        loaded = {name: arrays[name] for name in arrays.files}
    require(same(loaded, copied(params)), "params came back changed")
    before, after = (np.asarray(family.energy(p, x.copy())) for p in (params, loaded))
    require(np.array_equal(before, after, equal_nan=True), "loaded params have other energies")
    return Finding(f"{len(text):,} bytes")
