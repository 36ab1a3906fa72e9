r"""Energies that samplers are checked on, one a space, whose exact draws are known without any other code.

Plane and vectors: two Gaussian wells of different weight, width and tilt,
:math:`E(x) = -\log\sum_k w_k |P_k|^{1/2} e^{-\frac12 (x - m_k)^\top P_k (x - m_k)}`, so log Z = ½ d log 2π. Grids: six
spins with fields and couplings of both signs, whose 64 states are listed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from ebm_plugins.config import Config, NoConfig, knob
from ebm_plugins.records import Array, Data, Dataset, Family, Params, Rng, Snapshot
from ebm_plugins.registry import Registry
from ebm_plugins.spaces import BinaryGrid, Plane, Space, Vectors
from ebm_plugins.specs import RunSpec
from ebm_plugins.truth import Truth

WEIGHTS = np.array([0.65, 0.35])


class Tosses(Config):
    """Nothing but a length."""

    steps: int = knob(40, "Fresh draws.", ge=1, le=10_000)


@dataclass(frozen=True)
class Reference:
    """A space's energy, as a family with the dataset it is bound to."""

    family: Family
    dataset: Dataset


def _wells(dim: int) -> Params:
    means, roots = np.zeros((2, dim)), np.zeros((2, dim, dim))
    means[0, :2], means[1, :2] = (-0.7, 0.4), (0.8, -0.5)
    for k, (wide, narrow, tilt) in enumerate(((0.75, 0.5, 0.25), (0.45, 0.6, -0.2))):
        roots[k] = np.diag(np.resize([wide, narrow], dim))
        roots[k, 1, 0] = tilt
    return {"weights": WEIGHTS, "means": means, "roots": roots}


def wells_energy(params: Params, x: Array) -> Array:
    """E (n,) of the two wells at x (n, d)."""
    return -_log_parts(params, x)[2]


def _log_parts(params: Params, x: Array) -> tuple[Array, Array, Array]:
    """P_k(x − m_k) (k, n, d), log of each well's part (k, n), log of their sum (n,)."""
    forces, logs = [], []
    for weight, mean, root in zip(params["weights"], params["means"], params["roots"], strict=True):
        precision = np.linalg.inv(root @ root.T)
        away = x - mean
        force = away @ precision
        forces.append(force)
        logs.append(np.log(weight / abs(np.linalg.det(root))) - 0.5 * (force * away).sum(axis=1))
    parts = np.stack(logs)
    top = parts.max(axis=0)
    return np.stack(forces), parts, top + np.log(np.exp(parts - top).sum(axis=0))


def wells_gradient(params: Params, x: Array) -> Array:
    """∇E (n, d) at x (n, d)."""
    forces, parts, total = _log_parts(params, x)
    return np.einsum("kn,knd->nd", np.exp(parts - total), forces)


def wells_draw(params: Params, n: int, rng: Rng) -> Array:
    """(n, d) independent exact draws."""
    which = (rng.random(n) > params["weights"][0]).astype(int)
    noise = rng.standard_normal((n, params["means"].shape[1]))
    return params["means"][which] + np.einsum("nij,nj->ni", params["roots"][which], noise)


def _wells_train(data: Data, config: Any, rng: Rng) -> Iterator[Snapshot]:
    yield Snapshot(_wells(data.space.dim))


def _wells_sample(params: Params, config: Any, rng: Rng, x: Array) -> Iterator[Snapshot]:
    while True:
        yield Snapshot(wells_draw(params, len(x), rng))


def _spins_train(data: Data, config: Any, rng: Rng) -> Iterator[Snapshot]:
    fixed = np.random.default_rng(6)
    size = data.space.dim
    couplings = np.triu(fixed.normal(0, 0.5, (size, size)), 1)
    yield Snapshot({"couplings": couplings + couplings.T, "fields": fixed.normal(0, 0.4, size)})


def spins_energy(params: Params, x: Array) -> Array:
    """E (n,) = −½ sᵀJs − h·s of cells x (n, d), with spins s = 2x − 1."""
    s = 2.0 * np.asarray(x, dtype=float) - 1.0
    return -0.5 * ((s @ params["couplings"]) * s).sum(axis=1) - s @ params["fields"]


def _spins_sample(params: Params, config: Any, rng: Rng, x: Array) -> Iterator[Snapshot]:
    from ebm_plugins.exact import enumerated

    truth: Truth = enumerated(lambda y: spins_energy(params, y), x.shape[1])
    while True:
        yield Snapshot(truth.draw(len(x), rng))


def _reference(key: str, space: Space) -> Reference:
    grid = isinstance(space, BinaryGrid)
    family = Family(
        key=f"kit-{key}",
        title=f"The kit's energy ({key})",
        summary="An energy that the conformance kit runs samplers on.",
        accepts=(type(space),),
        energy=spins_energy if grid else wells_energy,
        gradient=None if grid else wells_gradient,
        train=_spins_train if grid else _wells_train,
        sample=_spins_sample if grid else _wells_sample,
        train_config=NoConfig,
        sample_config=Tosses,
        exactness="exact",
        learns=lambda config: False,
        box=None if grid else lambda params: np.array([[-4.0], [4.0]]).repeat(params["means"].shape[1], 1),
    )
    dataset = Dataset(
        key=f"kit-{key}", title=f"The kit's {key}", summary="A bare space.", space=space,
        load=lambda: Data(x=np.empty((0, space.dim)), space=space, name=key),
    )  # fmt: skip
    spec = RunSpec(family=family.key, dataset=dataset.key)
    return Reference(replace(family, example=spec), dataset)


REFERENCES: Mapping[type[Space], Reference] = MappingProxyType(
    {
        Plane: _reference("plane", Plane()),
        Vectors: _reference("vectors", Vectors(3)),
        BinaryGrid: _reference("grid", BinaryGrid(2, 3)),
    }
)


LAMPS = Dataset(
    key="kit-lamps",
    title="The kit's lamps",
    summary="Four cells that are on more or less often, and not independently: something to learn for any family.",
    space=BinaryGrid(2, 2),
    load=lambda: Data(x=_lamps(), space=BinaryGrid(2, 2), name="lamps"),
)


def _lamps() -> Array:
    """(16, 4): the first cell is on in 12 rows, the last in 3, and neighbours agree."""
    rows = {
        (1, 1, 0, 0): 6,
        (1, 1, 1, 0): 3,
        (1, 0, 1, 1): 2,
        (1, 0, 0, 0): 1,
        (0, 0, 0, 0): 3,
        (0, 1, 0, 1): 1,
    }
    return np.repeat(np.array(list(rows), dtype=float), list(rows.values()), axis=0)


def with_references(registry: Registry) -> Registry:
    """The registry with the kit's own energies in it."""
    families = {r.family.key: r.family for r in REFERENCES.values()}
    datasets = {d.key: d for d in (LAMPS, *(r.dataset for r in REFERENCES.values()))}
    return replace(
        registry,
        families=MappingProxyType({**registry.families, **families}),
        datasets=MappingProxyType({**registry.datasets, **datasets}),
    )
