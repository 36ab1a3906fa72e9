r"""What InfoNCE compares and how: random views, encoders, the pair energy, the bank of keys, held-out measures.

The energy of a pair is :math:`E(q, k) = -f(q)\cdot g(k)/\tau`, with f and g small networks (one and the same for two
views of an image), of unit length where the similarity is the cosine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ebm_plugins import network
from ebm_plugins.families import infonce_core as core
from ebm_plugins.network import Weights
from ebm_plugins.noise import normals
from ebm_plugins.records import Array, Data, Params, Rng
from ebm_plugins.spaces import Pairs, Space, Vectors

TINY = 1e-12
TILE = 1024  # rows encoded at once, so that memory does not grow with their hidden units
GROUP = 64  # held-out queries are asked among this many keys
MOST_TRIED = 448
VIEWED = 4  # times that held-out rows are viewed anew: one draw of views finds 2 % more or fewer


@dataclass(frozen=True)
class Retrieval(Pairs):
    """Pairs of a query and a key. The random start is blank: a query of zeros asks nothing, and ``sample`` puts one
    of the held-out queries in its place."""

    def noise(self, n: int, rng: Rng) -> Array:
        return np.zeros((n, self.dim))

    def describe(self) -> str:
        """In a reader's words, for messages."""
        return f"pairs of a query of {self.left.dim} values and a key of {self.right.dim}"


def state_space(space: Space) -> Retrieval:
    """Where the states live: two views of what the data are; or the pairs that they are."""
    return Retrieval(space.left, space.right) if isinstance(space, Pairs) else Retrieval(space, space)


class Views(NamedTuple):
    """How a view differs from its image: ``shift`` in pixels each way, ``brightness`` × U(1 − b, 1 + b), the share of
    pixels ``dropped`` to 0, the standard deviation of the Gaussian ``noise``."""

    shift: int = 1
    brightness: float = 0.3
    dropped: float = 0.1
    noise: float = 0.1


def view(x: Array, space: Space, how: Views, rng: Rng) -> Array:
    """A random view of each row (n, dim), in float32. Only images can be shifted; what comes in at an edge is 0."""
    out: Array = np.asarray(x, dtype=np.float32)
    shape = space.shape if isinstance(space, Vectors) else None
    if how.shift and shape is not None:
        out = _shifted(out.reshape(-1, *shape), how.shift, rng).reshape(len(out), -1)
    if how.brightness:
        out = out * rng.uniform(1 - how.brightness, 1 + how.brightness, (len(out), 1)).astype(np.float32)
    if how.dropped:
        out = out * (rng.random(out.shape, dtype=np.float32) >= how.dropped)
    if how.noise:
        out = out + np.float32(how.noise) * normals(rng, out.shape)
    return out


def _shifted(images: Array, most: int, rng: Rng) -> Array:
    n, height, width = images.shape
    down, across = rng.integers(0, 2 * most + 1, (2, n))
    padded = np.pad(images, ((0, 0), (most, most), (most, most)))
    rows = down[:, None] + np.arange(height)
    columns = across[:, None] + np.arange(width)
    return padded[np.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]


# --- Encoders ---------------------------------------------------------------------------------------------------


class Encoded(NamedTuple):
    """Embeddings ``z`` (n, d), with what the way back needs: the forward pass, and the lengths before scaling."""

    z: Array
    done: network.Pass | None
    length: Array | None


def encode(weights: Weights, x: Array, unit: bool) -> Encoded:
    """The embeddings of x (n, dim): of a network, or x itself where there are no weights; of unit length where asked."""
    done = network.forward(weights, x, network.relu) if weights else None
    z = done.out[0] if done else x
    if not unit:
        return Encoded(z, done, None)
    length = np.sqrt(np.einsum("ij,ij->i", z, z) + z.dtype.type(TINY))[:, None]
    return Encoded(z / length, done, length)


def back(weights: Weights, made: Encoded, bar: Array) -> Weights:
    """The derivative by the weights of Σ bar·z, for ``bar`` (n, d)."""
    if made.done is None:
        return ()
    if made.length is not None:
        along = np.einsum("ij,ij->i", bar, made.z)[:, None]
        bar = (bar - made.z * along) / made.length
    return network.weight_gradients(weights, made.done, bar)[0]


def loss_and_slopes(
    kind: str,
    weights: tuple[Weights, Weights | None],
    log_scale: Array,
    left: Array,
    right: Array,
    unit: bool,
    hardness: float = 0.0,
) -> tuple[float, tuple[Array, ...]]:
    """A loss of n pairs ``left`` and ``right`` (n, dim) and its derivative by every weight and, last, by
    ``log_scale`` (1,). The second encoder is None where one serves both sides."""
    f, g = weights
    if g is None:
        n = len(left)
        both = encode(f, np.concatenate([left, right]), unit)
        found = core.slopes(kind, both.z[:n], both.z[n:], float(log_scale[0]), hardness)
        by_weights = back(f, both, np.concatenate([found.left, found.right]))
    else:
        first, second = encode(f, left, unit), encode(g, right, unit)
        found = core.slopes(kind, first.z, second.z, float(log_scale[0]), hardness)
        by_weights = back(f, first, found.left) + back(g, second, found.right)
    return found.loss, (*by_weights, np.array([found.log_scale], dtype=log_scale.dtype))


# --- Params -----------------------------------------------------------------------------------------------------


def pack(
    weights: tuple[Weights, Weights | None], log_scale: float, unit: bool, bank: Bank
) -> dict[str, Array]:
    """All that the energy and retrieval need, as params."""
    f, g = weights
    return {
        **network.named(f, "left_"),
        **(network.named(g, "right_") if g is not None else {}),
        "temperature": np.array([np.exp(-log_scale)]),
        "unit": np.array([unit]),
        **bank.params,
    }


def _weights(params: Params, side: str, dtype: type[np.floating]) -> Weights:
    name = side if f"{side}weight_1" in params else "left_"
    return network.unnamed(params, name, dtype) if f"{name}weight_1" in params else ()


def embed(params: Params, x: Array, side: str = "left") -> Array:
    """The embeddings (n, d) of queries (``left``) or keys (``right``) x (n, dim); float64 unless x is float32."""
    x = np.asarray(x)
    dtype = np.float32 if x.dtype == np.float32 else np.float64
    weights = _weights(params, f"{side}_", dtype)
    unit = bool(params["unit"][0])
    tiles = range(0, max(len(x), 1), TILE)
    return np.concatenate([encode(weights, x[i : i + TILE].astype(dtype), unit).z for i in tiles])


def energy(params: Params, x: Array) -> Array:
    """E = −f(q)·g(k)/τ (n,) of pairs x (n, dim of a query + dim of a key)."""
    cut = params["bank_queries"].shape[1]
    left, right = embed(params, x[:, :cut], "left"), embed(params, x[:, cut:], "right")
    return -(left * right).sum(axis=1) / left.dtype.type(params["temperature"][0])


def logits(params: Params, queries: Array, keys: Array) -> Array:
    """−E of every query (n, dim) with every key (m, dim): (n, m)."""
    return embed(params, queries) @ embed(params, keys, "right").T / params["temperature"][0]


# --- The bank, and what is held out -----------------------------------------------------------------------------


class Bank(NamedTuple):
    """Queries (B, dl) and the keys (K, dr) that they are asked among; ``own`` (B,) is each query's own key, ``labels``
    are the queries' labels where they have any. ``classes`` says that keys are shared: each is a class's."""

    queries: Array
    keys: Array
    own: Array
    labels: Array | None
    classes: bool

    @property
    def params(self) -> dict[str, Array]:
        found = {"bank_queries": self.queries, "bank_keys": self.keys, "bank_own": self.own}
        return found if self.labels is None else {**found, "bank_labels": self.labels}


class HeldOut(NamedTuple):
    """Pairs that nothing is learned from, ``left`` (m, dl) and ``right`` (m, dr) in float32, in groups of ``size``;
    for classes the keys of all of them and which is whose."""

    left: Array
    right: Array
    size: int
    keys: Array | None = None
    own: Array | None = None


def pairs_of(data: Data, rows: Array, how: Views, rng: Rng) -> tuple[Array, Array]:
    """Pairs in float32: two views of each of the rows; or, of data that are pairs, each row's own two halves."""
    if not isinstance(data.space, Pairs):
        return view(rows, data.space, how, rng), view(rows, data.space, how, rng)
    cut = data.space.left.dim
    left = rows[:, :cut]
    images = isinstance(data.space.left, Vectors) and data.space.left.shape is not None
    left = view(left, data.space.left, how, rng) if images else left.astype(np.float32)
    return left, rows[:, cut:].astype(np.float32)


def held_out(data: Data, how: Views, size: int, rng: Rng) -> tuple[Bank, HeldOut]:
    """The bank, of the first ``size`` held-out rows, and what is measured on; of the rows themselves where no part of
    the data is held out. Images with labels are asked as they are, without a view."""
    own_part = data.test_x is not None and len(data.test_x) > 1
    rows = np.asarray(data.test_x if own_part else data.x, dtype=float)
    labels = data.test_labels if own_part else data.labels
    paired = isinstance(data.space, Pairs)
    plain = Views(0, 0.0, 0.0, 0.0) if paired else how
    left, right = pairs_of(data, rows[: max(MOST_TRIED, size)], plain, rng)
    shown = slice(0, min(size, len(left)))
    keys, own, classes = right[shown], np.arange(len(right[shown])), False
    distinct = np.unique(right, axis=0) if paired else right
    if len(distinct) <= min(size, len(right) // 2):
        # few right halves, shared by many rows: they are classes, and the whole part is classified
        left, right = pairs_of(data, rows, plain, rng)
        every = np.unique(np.asarray(data.x)[:, data.space.dim - right.shape[1] :], axis=0)[::-1]
        keys, classes = every.astype(np.float32), True
        own = np.array([int(np.abs(keys - r).sum(axis=1).argmin()) for r in right])
        trial = HeldOut(left, right, min(GROUP, len(left)), keys, own)
        own = own[shown]
    else:
        group = min(GROUP, len(left))
        tried = min(MOST_TRIED, len(left)) // group * group
        drawn = [(left[:tried], right[:tried])]
        if not paired:
            drawn += [pairs_of(data, rows[:tried], how, rng) for _ in range(VIEWED - 1)]
        queries, keys_of = (np.concatenate(side) for side in zip(*drawn, strict=True))
        trial = HeldOut(queries, keys_of, size=group)
    bank = Bank(
        left[shown].astype(float),
        keys.astype(float),
        own,
        None if labels is None else np.array(labels[shown]),
        classes,
    )
    return bank, trial


def measure(params: Mapping[str, Array], trial: HeldOut) -> dict[str, float]:
    """What the encoders know of held-out pairs: ``loss`` (InfoNCE among ``size`` keys, nats), ``bound`` on the mutual
    information, ``matched`` (share of queries whose own key is nearest; for classes ``zero_shot``, the share classified
    right), ``alignment`` and ``uniformity`` on the unit sphere."""
    f, g = embed(params, trial.left), embed(params, trial.right, "right")
    scale = 1.0 / float(params["temperature"][0])
    blocks = range(0, len(f) - trial.size + 1, trial.size)
    tables = [f[i : i + trial.size] @ g[i : i + trial.size].T * np.float32(scale) for i in blocks]
    bounds = np.mean([core.bound(t) for t in tables])
    found = {"loss": float(np.log(trial.size) - bounds), "bound": float(bounds)}
    if trial.keys is not None and trial.own is not None:
        asked = f @ embed(params, trial.keys, "right").T
        found["zero_shot"] = float((asked.argmax(axis=1) == trial.own).mean())
    else:
        found["matched"] = float(np.mean([core.matched(t).mean() for t in tables]))
    f, g = _on_sphere(f), _on_sphere(g)
    return {**found, "alignment": core.alignment(f, g), "uniformity": core.uniformity(f[:256])}


def _on_sphere(z: Array) -> Array:
    return z / np.sqrt((z * z).sum(axis=1, keepdims=True) + z.dtype.type(TINY))
