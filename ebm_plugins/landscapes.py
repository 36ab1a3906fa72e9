r"""Energies on the plane with analytic gradients, each a place where samplers meet a known difficulty.

A landscape is named in a config and lives in params: ``landscape`` (1,) is its place in :data:`LANDSCAPES`, so
``energy(params, x)`` needs nothing else, and ``confinement`` (1,) adds $c\,|x|^2$ to any of them. Landscapes are
only ever appended.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from ebm_plugins import wells
from ebm_plugins.noise import Array
from ebm_plugins.records import Function, Params, Wells, nothing


@dataclass(frozen=True, kw_only=True)
class Landscape:
    """A named energy on the plane.

    ``energy(params, x)`` (n,) and ``gradient(params, x)`` (n, 2) leave the confining term out; ``constants``
    become params; ``box`` is (low, high) corners of where its mass is; ``log_partition(params)`` is the closed
    form of log Z without confinement, where there is one. ``step`` is a step size η at which ULA is stable from
    the plane's random start.
    """

    key: str
    title: str
    summary: str
    box: tuple[tuple[float, float], tuple[float, float]]
    energy: Callable[[Params, Array], Array]
    gradient: Callable[[Params, Array], Array]
    step: float
    constants: Mapping[str, tuple[float, ...] | tuple[tuple[float, ...], ...]] = field(
        default_factory=nothing
    )
    log_partition: Callable[[Params], float] | None = None


def _stack(x: Array, y: Array) -> Array:
    return np.stack((x, y)).T


# Wells: the confining term is added below, so here it is 0.
def _wells_energy(params: Params, x: Array) -> Array:
    return wells.energy({**params, "confinement": np.zeros(1)}, x)


def _wells_gradient(params: Params, x: Array) -> Array:
    return wells.gradient({**params, "confinement": np.zeros(1)}, x)


def _double_well_energy(params: Params, x: Array) -> Array:
    barrier, half = params["barrier"][0], params["half"][0]
    return barrier * ((x[:, 0] / half) ** 2 - 1.0) ** 2 + 0.5 * x[:, 1] ** 2


def _double_well_gradient(params: Params, x: Array) -> Array:
    barrier, half = params["barrier"][0], params["half"][0]
    u = x[:, 0] / half
    return _stack(4.0 * barrier / half * u * (u**2 - 1.0), x[:, 1])


def _banana_energy(params: Params, x: Array) -> Array:
    return 0.5 * ((1.0 - x[:, 0]) ** 2 + params["bend"][0] * (x[:, 1] - x[:, 0] ** 2) ** 2)


def _banana_gradient(params: Params, x: Array) -> Array:
    pull = params["bend"][0] * (x[:, 1] - x[:, 0] ** 2)
    return _stack(x[:, 0] - 1.0 - 2.0 * x[:, 0] * pull, pull)


def _steepest(x: Array) -> float:
    """An exponent beyond which exp, or its product with a state, overflows; there a state is far outside any mass."""
    return 80.0 if x.dtype == np.float32 else 700.0


def _funnel_energy(params: Params, x: Array) -> Array:
    spread, log_width = params["spread"][0], x[:, 1]
    precision = np.exp(np.minimum(-log_width, _steepest(x)))
    return 0.5 * (log_width / spread) ** 2 + 0.5 * log_width + 0.5 * precision * x[:, 0] ** 2


def _funnel_gradient(params: Params, x: Array) -> Array:
    spread, log_width = params["spread"][0], x[:, 1]
    pull = np.exp(np.minimum(-log_width, _steepest(x))) * x[:, 0]
    return _stack(pull, log_width / spread**2 + 0.5 - 0.5 * pull * x[:, 0])


def _ring_energy(params: Params, x: Array) -> Array:
    radius = np.hypot(x[:, 0], x[:, 1])
    return 0.5 * ((radius - params["radius"][0]) / params["width"][0]) ** 2


def _ring_gradient(params: Params, x: Array) -> Array:
    radius = np.hypot(x[:, 0], x[:, 1])
    # at the centre no direction is downhill: the gradient is taken as 0 there
    inward = params["radius"][0] / np.where(radius > 0, radius, np.inf)
    return x * ((1.0 - inward) / params["width"][0] ** 2)[:, None]


def _ring_log_partition(params: Params) -> float:
    radius, width = float(params["radius"][0]), float(params["width"][0])
    z = radius / width
    inside = 0.5 * math.erfc(-z / math.sqrt(2.0))
    return math.log(
        2.0
        * math.pi
        * (width**2 * math.exp(-0.5 * z * z) + radius * width * math.sqrt(2.0 * math.pi) * inside)
    )


def _muller_brown_terms(params: Params, x: Array) -> tuple[Array, Array, Array, Array, Array]:
    """Value and slope factors of the four terms (4, n), and offsets from their centres (4, n).

    Past exponent 4 the last term, which grows, goes on as its tangent: at these scales it is worth 33 there,
    and beyond it the exponential would only throw a start far out to infinity.
    """
    a, b, c, centres = (params[name].T[..., None] for name in ("a", "b", "c", "centres"))
    shift = params["shift"]
    dx = x[:, 0] / params["zoom"][0] + shift[0] - centres[0]
    dy = x[:, 1] / params["zoom"][0] + shift[1] - centres[1]
    exponent = a * dx**2 + b * dx * dy + c * dy**2
    slope = params["scale"][0] * params["amplitudes"][:, None] * np.exp(np.minimum(exponent, 4.0))
    value = slope * np.maximum(1.0, exponent - 3.0)
    return value, slope, dx, dy, exponent


def _muller_brown_energy(params: Params, x: Array) -> Array:
    return np.asarray(_muller_brown_terms(params, x)[0].sum(axis=0))


def _muller_brown_gradient(params: Params, x: Array) -> Array:
    _, slope, dx, dy, _ = _muller_brown_terms(params, x)
    a, b, c = (params[name][:, None] for name in ("a", "b", "c"))
    along_x = (slope * (2.0 * a * dx + b * dy)).sum(axis=0)
    along_y = (slope * (b * dx + 2.0 * c * dy)).sum(axis=0)
    return _stack(along_x, along_y) / params["zoom"][0]


def _himmelblau_energy(params: Params, x: Array) -> Array:
    first = x[:, 0] ** 2 + x[:, 1] - 11.0
    second = x[:, 0] + x[:, 1] ** 2 - 7.0
    return params["scale"][0] * (first**2 + second**2)


def _himmelblau_gradient(params: Params, x: Array) -> Array:
    first = x[:, 0] ** 2 + x[:, 1] - 11.0
    second = x[:, 0] + x[:, 1] ** 2 - 7.0
    twice = 2.0 * params["scale"][0]
    return _stack(twice * (2.0 * x[:, 0] * first + second), twice * (first + 2.0 * x[:, 1] * second))


LANDSCAPES: tuple[Landscape, ...] = (
    Landscape(
        key="three-wells",
        title="Three wells",
        summary="Three Gaussian dents in a flat sheet: without a confining term the sheet goes on for ever.",
        box=((-6.0, -6.0), (6.0, 6.0)),
        constants={
            "centres": ((-2.0, -1.0), (2.0, 1.0), (0.0, 3.0)),
            "heights": (3.0, 2.0, 2.5),
            "widths": (0.8, 1.0, 0.7),
        },
        energy=_wells_energy,
        gradient=_wells_gradient,
        step=0.05,
    ),
    Landscape(
        key="double-well",
        title="Double well",
        summary="Two equal wells with a barrier of 3 between them: how often is it crossed?",
        box=((-3.5, -4.0), (3.5, 4.0)),
        constants={"barrier": (3.0,), "half": (1.5,)},
        energy=_double_well_energy,
        gradient=_double_well_gradient,
        step=0.004,
    ),
    Landscape(
        key="banana",
        title="Banana",
        summary="Rosenbrock's curved valley (bend 10 in place of 100): long one way, narrow the other.",
        box=((-3.0, -2.5), (5.0, 18.0)),
        constants={"bend": (10.0,)},
        energy=_banana_energy,
        gradient=_banana_gradient,
        step=0.001,
        log_partition=lambda params: math.log(2.0 * math.pi / math.sqrt(float(params["bend"][0]))),
    ),
    Landscape(
        key="funnel",
        title="Funnel",
        summary="Neal's funnel, with spread 1.5 in place of 3: no single step size fits both mouth and neck.",
        box=((-12.0, -5.5), (12.0, 5.5)),
        constants={"spread": (1.5,)},
        energy=_funnel_energy,
        gradient=_funnel_gradient,
        step=0.01,
        log_partition=lambda params: math.log(2.0 * math.pi * float(params["spread"][0])),
    ),
    Landscape(
        key="ring",
        title="Ring",
        summary="A round valley: every direction along it is as good as any other.",
        box=((-4.0, -4.0), (4.0, 4.0)),
        constants={"radius": (2.5,), "width": (0.3,)},
        energy=_ring_energy,
        gradient=_ring_gradient,
        step=0.02,
        log_partition=_ring_log_partition,
    ),
    Landscape(
        key="muller-brown",
        title="Müller–Brown",
        summary="Three basins joined by crooked passes, from chemistry, scaled so that heat can cross them.",
        box=((-4.5, -4.0), (4.5, 5.0)),
        constants={
            "amplitudes": (-200.0, -100.0, -170.0, 15.0),
            "a": (-1.0, -1.0, -6.5, 0.7),
            "b": (0.0, 0.0, 11.0, 0.6),
            "c": (-10.0, -10.0, -6.5, 0.7),
            "centres": ((1.0, 0.0), (0.0, 0.5), (-0.5, 1.5), (-1.0, 1.0)),
            "scale": (0.04,),
            "zoom": (3.0,),
            "shift": (0.0, 0.7),
        },
        energy=_muller_brown_energy,
        gradient=_muller_brown_gradient,
        step=0.01,
    ),
    Landscape(
        key="himmelblau",
        title="Himmelblau",
        summary="Four wells of equal depth and unequal width: the widest is the most likely.",
        box=((-6.0, -6.0), (6.0, 6.0)),
        constants={"scale": (0.05,)},
        energy=_himmelblau_energy,
        gradient=_himmelblau_gradient,
        step=0.002,
    ),
    Landscape(
        key="learned",
        title="Learned wells",
        summary="Gaussian wells fitted to data by maximum likelihood.",
        box=((-4.0, -4.0), (4.0, 4.0)),
        energy=_wells_energy,
        gradient=_wells_gradient,
        step=0.02,
    ),
)
BY_KEY: dict[str, int] = {landscape.key: i for i, landscape in enumerate(LANDSCAPES)}


def params_of(key: str, confinement: float = 0.0) -> dict[str, Array]:
    """The params of a named landscape. ``confinement`` ≥ 0 multiplies |x|²."""
    index = BY_KEY[key]
    constants = {name: np.array(value, dtype=float) for name, value in LANDSCAPES[index].constants.items()}
    return {"landscape": np.array([index]), "confinement": np.array([float(confinement)]), **constants}


def landscape_of(params: Params) -> Landscape:
    """Which landscape these params are. Raises ValueError for a number that none has."""
    index = int(np.asarray(params["landscape"]).reshape(-1)[0])
    if not 0 <= index < len(LANDSCAPES):
        raise ValueError(f"expected a landscape from 0 to {len(LANDSCAPES) - 1}, got {index}")
    return LANDSCAPES[index]


def energy(params: Params, x: Array) -> Array:
    """E (n,) of states ``x`` (n, 2), confining term included. Infinite where it overflows, without a warning."""
    x = np.asarray(x) if np.asarray(x).dtype == np.float32 else np.asarray(x, dtype=float)
    confinement = float(params["confinement"][0])
    with np.errstate(over="ignore", under="ignore"):
        out = landscape_of(params).energy(params, x)
        if confinement:
            out = out + confinement * (x * x).sum(axis=1)
    return np.asarray(out, dtype=x.dtype)


def gradient(params: Params, x: Array) -> Array:
    """∇E (n, 2) of states ``x`` (n, 2)."""
    x = np.asarray(x) if np.asarray(x).dtype == np.float32 else np.asarray(x, dtype=float)
    confinement = float(params["confinement"][0])
    with np.errstate(over="ignore", under="ignore"):
        out = landscape_of(params).gradient(params, x)
        if confinement:
            out = out + 2.0 * confinement * x
    return np.asarray(out, dtype=x.dtype)


def single_precision(params: Params) -> tuple[Function, Function] | tuple[Function, Function, Wells]:
    """The same energy and gradient with params bound, of states (n, 2) in float32; of wells, these as numbers, too."""
    if landscape_of(params).gradient is _wells_gradient:
        return wells.single_precision(params)
    constants = {name: value.astype(np.float32) for name, value in params.items()}
    return lambda x: energy(constants, x), lambda x: gradient(constants, x)


def box(params: Params) -> Array:
    """Lower and upper corner (2, 2) of where the mass is thought to be."""
    found = landscape_of(params)
    if found.key != "learned":
        return np.array(found.box)
    reach = 2.5 * params["widths"][:, None]
    low = np.minimum((params["centres"] - reach).min(axis=0), -3.0)
    high = np.maximum((params["centres"] + reach).max(axis=0), 3.0)
    return np.array([low, high])


def log_partition(params: Params) -> float | None:
    """log Z in closed form, where the landscape has one and nothing confines it."""
    found = landscape_of(params)
    if float(params["confinement"][0]) or found.log_partition is None:
        return None
    return found.log_partition(params)


def hessian_norm(gradient: Callable[[Array], Array], x: Array, width: float = 1e-4) -> Array:
    """(n,) the largest |curvature| of the energy at states ``x`` (n, dim), from central differences."""
    n, dim = x.shape
    columns = []
    for i in range(dim):
        shift = np.zeros(dim)
        shift[i] = width
        columns.append((gradient(x + shift) - gradient(x - shift)) / (2.0 * width))
    matrix = np.stack(columns, axis=-1)
    good = np.isfinite(matrix).all(axis=(1, 2))
    out = np.full(n, np.inf)
    out[good] = np.abs(np.linalg.eigvalsh(0.5 * (matrix[good] + matrix[good].transpose(0, 2, 1)))).max(
        axis=1, initial=0.0
    )
    return out
