r"""An energy made of Gaussian wells, and how its wells are learned from data by maximum likelihood.

$$E(x) = c\,|x|^2 - \sum_k h_k \exp\!\left(-\frac{|x - \mu_k|^2}{2 w_k^2}\right)$$

Params: ``centres`` (K, dim), ``heights`` (K,), ``widths`` (K,), ``confinement`` (1,). For c = 0 the energy tends
to 0 far out and exp(−E) to 1, so it is no density; any c > 0 makes it one.

Learning follows the gradient of the log-likelihood, $\langle \partial_\theta E \rangle_\text{model} -
\langle \partial_\theta E \rangle_\text{data}$, with the model's mean taken over chains that persist from one
epoch to the next (Younes 1989; Tieleman 2008) and are moved by a kernel that the caller chooses.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from ebm_plugins.noise import Array, scratch
from ebm_plugins.records import ConfigError, Data, Function, Params, Rng, Snapshot, Wells

Kernel = Callable[[Params, Array, Rng], Array]

FORM = ("centres", "heights", "widths")
MOST_BUMPS = 65_536  # at once
MIN_WIDTH, MAX_WIDTH = 0.2, 3.0  # narrower wells are stiffer than a short chain can follow
MIN_HEIGHT, MAX_HEIGHT = 1e-3, 10.0
FARTHEST = 1000.0  # of a data row from the origin: beyond, no chain crosses and nothing is learned


def _depths(params: Params, x: Array) -> tuple[Array, Array, Array, Array]:
    """h_k g_k(x) (K, n), 1/w² (K,), μ/w² (K, dim) and |x|² (n,), of columns ``x`` (dim, n), in x's precision."""
    centres, heights, widths = (np.asarray(params[name], dtype=x.dtype) for name in FORM)
    inverse = 1.0 / (widths * widths)
    pulls = centres * inverse[:, None]
    squares = (x * x).sum(axis=0)
    # −|x − μ|²/2w² = x·μ/w² − |x|²/2w² − |μ|²/2w²: one small product for all wells
    depths = pulls @ x
    scratch = np.empty_like(squares)
    for depth, half, offset in zip(depths, 0.5 * inverse, 0.5 * (centres * pulls).sum(axis=1), strict=True):
        np.multiply(squares, half, out=scratch)
        scratch += offset
        depth -= scratch
    np.exp(depths, out=depths)
    depths *= heights[:, None]
    return depths, inverse, pulls, squares


def energy(params: Params, x: Array) -> Array:
    """E (n,) of states ``x`` (n, dim)."""
    x = _columns(x)
    depths, _, _, squares = _depths(params, x)
    out = -depths.sum(axis=0)
    confinement = x.dtype.type(params["confinement"][0])
    if confinement:
        out += confinement * squares
    return np.asarray(out)


def gradient(params: Params, x: Array) -> Array:
    """∇E (n, dim): Σ_k h_k g_k (x − μ_k)/w_k² + 2cx."""
    x = _columns(x)
    depths, inverse, pulls, _ = _depths(params, x)
    stiffness = inverse @ depths
    stiffness += x.dtype.type(2.0 * params["confinement"][0])
    x *= stiffness
    x -= pulls.T @ depths
    return np.ascontiguousarray(x.T)


def single_precision(params: Params) -> tuple[Function, Function, Wells]:
    """The same energy and gradient with params bound, of states (n, dim) in float32; and the wells as numbers.

    Offsets from the centres are taken before they are squared, so that wells far from the origin are as sharp as near
    it, and no sum depends on how many states there are: the same state gives the same bits in any batch.
    """
    mu = np.asarray(params["centres"], dtype=np.float32).T[:, :, None]  # (dim, K, 1)
    heights, widths = (np.asarray(params[name], dtype=np.float32)[:, None] for name in ("heights", "widths"))
    rate, pull = -0.5 / (widths * widths), heights / (widths * widths)
    confinement = np.float32(params["confinement"][0])
    dim, wells = mu.shape[:2]

    def bumps(x: Array, scale: Array) -> tuple[Array, Array]:
        """scale·exp(−|x − μ|²/2w²) (K, n) and x − μ (dim, K, n), of columns ``x`` (dim, n)."""
        shape = (dim, wells, x.shape[1])
        offsets = np.subtract(x[:, None, :], mu, out=scratch("wells offset", shape))
        squares = np.multiply(offsets, offsets, out=scratch("wells square", shape))
        bump = squares[0]
        for square in squares[1:]:
            bump += square
        bump *= rate
        np.exp(bump, out=bump)
        bump *= scale
        return bump, offsets

    def energy(x: Array) -> Array:
        out = np.empty(len(x), dtype=np.float32)
        for some in pieces(len(x), wells):
            columns = x.T[:, some]
            bump, _ = bumps(columns, -heights)
            np.add.reduce(bump, axis=0, out=out[some])
            if confinement:
                square = scratch("wells confinement", columns.shape)
                np.multiply(columns, columns, out=square)
                square *= confinement
                for term in square:
                    out[some] += term
        return out

    def gradient(x: Array) -> Array:
        out = np.empty(x.shape[::-1], dtype=np.float32)
        for some in pieces(len(x), wells):
            columns = x.T[:, some]
            bump, offsets = bumps(columns, pull)
            offsets *= bump
            np.add.reduce(offsets, axis=1, out=out[:, some])
            if confinement:
                out[:, some] += np.multiply(
                    columns, 2 * confinement, out=scratch("wells confinement", columns.shape)
                )
        return out.T

    centres, high, wide = (np.asarray(params[name]) for name in FORM)
    return energy, gradient, Wells(centres, high, wide, float(params["confinement"][0]))


def pieces(n: int, wells: int) -> Iterator[slice]:
    """The states in pieces whose bumps fit the cache."""
    size = max(256, MOST_BUMPS // wells)
    for first in range(0, n, size):
        yield slice(first, first + size)


def stiffness(params: Params) -> float:
    """A bound on how sharply one well curves, h/w² + 2c: a step beyond 2 over it is unstable at a centre."""
    return float(np.max(params["heights"] / params["widths"] ** 2) + 2.0 * params["confinement"][0])


def slopes(params: Params, x: Array) -> dict[str, Array]:
    """⟨∂E/∂θ⟩ over the rows of ``x`` (n, dim), for the centres (K, dim), log h (K,) and log w (K,)."""
    columns = _columns(np.asarray(x, dtype=float))
    depths, inverse, pulls, squares = _depths(params, columns)
    mass = depths.mean(axis=1)
    first = depths @ columns.T / len(x)
    second = depths @ squares / len(x)
    centres = np.asarray(params["centres"])
    distance = second - 2.0 * (first * centres).sum(axis=1) + mass * (centres**2).sum(axis=1)
    return {
        "centres": mass[:, None] * pulls - first * inverse[:, None],
        "heights": -mass,
        "widths": -distance * inverse,
    }


def check_data(data: Data, confinement: float, field: str) -> None:
    """Raises ConfigError, at the control ``field``, for data that wells cannot be fitted to."""
    if data.bare:
        raise ConfigError(
            field, "a dataset to learn the wells from: choose one, or a landscape that is given", "no data"
        )
    if not np.isfinite(data.x).all():
        bad = int((~np.isfinite(data.x)).any(axis=1).sum())
        raise ConfigError(field, "data of finite numbers", f"{bad} rows with NaN or infinity")
    farthest = float(np.abs(data.x).max())
    if farthest > FARTHEST:
        expected = (
            f"data within {FARTHEST:.0f} of the origin (a well is at most {MAX_WIDTH:g} wide): rescale them"
        )
        raise ConfigError(field, expected, f"a coordinate of {farthest:.3g}")
    if not np.ptp(data.x, axis=0).any():
        raise ConfigError(
            field, "data with some spread: wells are fitted to at least two different rows", "constant data"
        )
    if confinement <= 0:
        raise ConfigError(
            "confinement",
            "a number above 0: learned wells are a density only with a confining term",
            confinement,
        )


def learn(
    data: Data,
    kernel: Kernel,
    rng: Rng,
    *,
    wells: int,
    confinement: float,
    epochs: int,
    learning_rate: float,
    chains: int,
    extra: Mapping[str, Array] | None = None,
) -> Iterator[Snapshot]:
    """One snapshot an epoch, of wells that begin at random data rows.

    ``kernel(params, x, rng)`` moves the persistent chains ``x`` (chains, dim), which start at data rows.
    ``extra`` goes into the params unchanged. Metrics: ``data energy``, ``model energy``, their ``energy gap``
    (it is the gradient of the likelihood with respect to an overall factor on the wells, so it hovers about 0
    once that has converged), ``held-out energy`` where there is a test part, and ``log-likelihood`` with
    ``held-out log-likelihood`` (nats a row, by quadrature on the plane) at the first epoch and every twentieth of them.
    """
    x = np.asarray(data.x, dtype=float)
    spread = float(np.sqrt(x.var(axis=0).mean()))
    params: dict[str, Array] = {
        **(extra or {}),
        "centres": x[rng.choice(len(x), wells, replace=len(x) < wells)]
        + 0.05 * spread * rng.standard_normal((wells, x.shape[1])),
        "heights": np.full(wells, 1.0),
        "widths": np.full(wells, float(np.clip(0.5 * spread, MIN_WIDTH, MAX_WIDTH))),
        "confinement": np.array([float(confinement)]),
    }
    states = x[rng.choice(len(x), chains)]
    moments = {name: [np.zeros_like(params[name]), np.zeros_like(params[name])] for name in MOVED}
    report = max(1, epochs // 20)
    for epoch in range(1, epochs + 1):
        states = kernel(params, states, rng)
        up, down = slopes(params, x), slopes(params, states)
        params = _adam(params, {name: down[name] - up[name] for name in MOVED}, moments, learning_rate, epoch)
        metrics = _energies(params, x, states, data.test_x)
        if x.shape[1] == 2 and (epoch % report == 0 or epoch in (1, epochs)):
            log_z = log_partition_on_the_plane(params)
            metrics["log-likelihood"] = -metrics["data energy"] - log_z
            if "held-out energy" in metrics:
                metrics["held-out log-likelihood"] = -metrics["held-out energy"] - log_z
        yield Snapshot(params, metrics)


MOVED = ("centres", "heights", "widths")


def _adam(
    params: dict[str, Array],
    ascent: Mapping[str, Array],
    moments: dict[str, list[Array]],
    rate: float,
    t: int,
) -> dict[str, Array]:
    """One uphill step of Adam (Kingma, Ba 2015); heights and widths move by their logarithms."""
    new = dict(params)
    for name in MOVED:
        first, second = moments[name]
        first = moments[name][0] = 0.9 * first + 0.1 * ascent[name]
        second = moments[name][1] = 0.99 * second + 0.01 * ascent[name] ** 2
        move = rate * (first / (1 - 0.9**t)) / (np.sqrt(second / (1 - 0.99**t)) + 1e-8)
        new[name] = params[name] + move if name == "centres" else params[name] * np.exp(move)
    new["heights"] = np.clip(new["heights"], MIN_HEIGHT, MAX_HEIGHT)
    new["widths"] = np.clip(new["widths"], MIN_WIDTH, MAX_WIDTH)
    return new


def _energies(params: Params, x: Array, states: Array, held_out: Array | None) -> dict[str, float]:
    on_data, on_model = float(energy(params, x).mean()), float(energy(params, states).mean())
    out = {"data energy": on_data, "model energy": on_model, "energy gap": on_model - on_data}
    if held_out is not None and len(held_out):
        out["held-out energy"] = float(energy(params, np.asarray(held_out, dtype=float)).mean())
    return out


def log_partition_on_the_plane(params: Params) -> float:
    """log Z of wells on the plane, for confinement > 0.

    The confining term alone is integrated in closed form, π/c, and the trapezoid rule only adds what the wells
    do to it, ∫ (e^{−E} − e^{−c|x|²}) dx, which vanishes a few widths away from them. So a small grid will do:
    its spacing is half the width of the sharpest peak of exp(−E).
    """
    c = float(params["confinement"][0])
    centres, widths = params["centres"], params["widths"]
    low = (centres - 6.0 * widths[:, None]).min(axis=0)
    high = (centres + 6.0 * widths[:, None]).max(axis=0)
    spacing = 0.5 * float(np.min(widths / np.sqrt(1.0 + params["heights"])))
    points = [int(np.clip(math.ceil(side / spacing), 32, 500)) for side in high - low]
    xs, ys = (np.linspace(*ends) for ends in zip(low, high, points, strict=True))
    grid = np.stack(np.meshgrid(xs, ys, indexing="ij"), axis=-1).reshape(-1, 2)
    free = c * np.einsum("ij,ij->i", grid, grid)
    added = np.exp(-free) * np.expm1(free - energy(params, grid))
    return math.log(math.pi / c + float(added.sum()) * float((xs[1] - xs[0]) * (ys[1] - ys[0])))


def _columns(x: Array) -> Array:
    """A copy of ``x`` (n, dim) as floats, coordinates first (dim, n): the long axis is then the contiguous one."""
    x = np.asarray(x)
    return np.array(x.T, dtype=x.dtype if x.dtype == np.float32 else np.float64, order="C")
