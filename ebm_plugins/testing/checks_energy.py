"""Checks of energy and gradient, and of the exact answers that a family gives itself. No random draw decides any."""

from __future__ import annotations

import numpy as np

from ebm_plugins import wells
from ebm_plugins.exact import truth_of
from ebm_plugins.records import FAULTS, Array, Function, Params
from ebm_plugins.testing.kit import Finding, Skip, Wrong, check, require
from ebm_plugins.testing.subject import Subject

SAME = 1e-6  # of the largest energy: rounding in another order, in single precision at worst
SLOPE = 2e-5  # of the steepest slope
SINGLE = 2e-5  # of the largest value: some hundred roundings of float32
CROWD = 5_000  # strangers: more than a tile of 4,096
FAR = 10.0  # times as far out as the points are


@check("family")
def energy_shape(subject: Subject) -> Finding:
    """Energies of a batch (n, dim) are an array (n,) of finite floats; of one row (1,), of none (0,)."""
    family, params = subject.family, subject.params
    energies = subject.energies
    require(isinstance(energies, np.ndarray), f"energy returned {type(energies).__name__}, not an array")
    for n in (len(subject.points), 1, 0):
        try:
            found = family.energy(params, subject.points[:n].copy())
        except FAULTS as error:
            raise Wrong(f"energy of {n} rows raised {type(error).__name__}: {error}") from error
        require(
            isinstance(found, np.ndarray), f"energy of {n} rows is a {type(found).__name__}, not an array"
        )
        require(found.shape == (n,), f"energy of {n} rows has shape {found.shape}, not ({n},)")
        require(found.dtype.kind == "f", f"energies are {found.dtype}, not floats")
        require(found.dtype.itemsize >= 4, f"energies are {found.dtype}: that is too coarse to sample by")
        require(np.isfinite(found).all(), f"{(~np.isfinite(found)).sum()} of {n} energies are not finite")
    return Finding(f"{energies.min():.4g} to {energies.max():.4g}")


@check("family")
def energy_rows_independent(subject: Subject) -> Finding:
    """The energy of a row does not depend on the others: alone, in another order, or among strangers, few and 5,000, it
    is the same to a millionth."""
    family, params, x, energies = subject.family, subject.params, subject.points, subject.energies
    order = subject.rng("order").permutation(len(x))
    strange = np.vstack([x, subject.space.noise(CROWD, subject.rng("strangers"))])
    scale = max(1.0, float(np.abs(energies).max()))
    others = {
        "alone": np.concatenate([family.energy(params, row[None].copy()) for row in x]),
        "in another order": family.energy(params, x[order].copy())[np.argsort(order)],
        "among others": family.energy(params, strange[: len(x) + 40].copy())[: len(x)],
        f"among {CROWD:,} others": family.energy(params, strange)[: len(x)],
    }
    worst = 0.0
    for how, found in others.items():
        error = float(np.abs(found - energies).max()) / scale
        require(error <= SAME, f"the energy of a row is another one {how}: off by {error * scale:.3g}")
        worst = max(worst, error)
    return Finding(f"{worst:.1e}")


@check("family")
def energy_pure(subject: Subject) -> None:
    """Energy and gradient leave x and params as they are, and give the same answer bit for bit when asked again, also
    after other states."""
    x = subject.points
    for name in ("energy", "gradient"):
        function = getattr(subject.family, name)
        if function is None:
            continue
        params = {k: np.array(v) for k, v in subject.params.items()}
        given = x.copy()
        first = np.array(function(params, given))
        require(np.array_equal(given, x), f"{name} changed x")
        function(params, subject.space.noise(7, subject.rng("others")))
        function(params, x[::-1].copy())
        again = np.array(function(params, x.copy()))
        require(
            np.array_equal(first, again, equal_nan=True), f"{name} of the same states changed between calls"
        )
        _same_params(name, params, subject.params)


def _same_params(name: str, now: Params, before: Params) -> None:
    require(set(now) == set(before), f"{name} added or removed a param")
    for key, value in before.items():
        require(
            np.array_equal(now[key], value, equal_nan=value.dtype.kind == "f"),
            f"{name} changed params[{key!r}]",
        )


@check("family")
def energy_any_layout(subject: Subject) -> Finding:
    """Columns first in memory, a slice of a larger array, or single precision: the same energies (in single precision
    to a hundredth of their range)."""
    family, params, x, energies = subject.family, subject.params, subject.points, subject.energies
    wide = np.zeros((len(x), 2 * x.shape[1]))
    wide[:, ::2] = x
    scale = max(1.0, float(np.abs(energies).max()))
    for how, given, limit in (
        ("columns first", np.asfortranarray(x), SAME),
        ("a slice", wide[:, ::2], SAME),
        ("single precision", x.astype(np.float32), 1e-2),
    ):
        found = np.asarray(family.energy(params, given))
        require(found.shape == energies.shape, f"{how}: shape {found.shape}, not {energies.shape}")
        error = float(np.abs(found - energies).max()) / scale
        require(error <= limit, f"{how}: energies are off by {error * scale:.3g}")
    return Finding(f"{error:.1e} in single precision")


@check("family")
def gradient_shape(subject: Subject) -> None:
    """The gradient of (n, dim) is an array (n, dim) of finite floats, of one row and of none, row by row, the same
    whatever rows are beside it."""
    family, params, x = subject.family, subject.params, subject.points
    if family.gradient is None:
        raise Skip("it has no gradient")
    whole = np.asarray(family.gradient(params, x.copy()))
    for n in (len(x), 1, 0):
        found = family.gradient(params, x[:n].copy())
        require(
            isinstance(found, np.ndarray), f"gradient of {n} rows is a {type(found).__name__}, not an array"
        )
        require(
            found.shape == (n, x.shape[1]),
            f"gradient of {n} rows has shape {found.shape}, not ({n}, {x.shape[1]})",
        )
        require(found.dtype.kind == "f", f"gradients are {found.dtype}, not floats")
        require(np.isfinite(found).all(), "some gradients are not finite")
        scale = max(1.0, float(np.abs(whole).max(initial=0.0)))
        error = float(np.abs(found - whole[:n]).max(initial=0.0)) / scale
        require(error <= SAME, f"the gradient of a row depends on the others: off by {error * scale:.3g}")


@check("family")
def gradient_matches(subject: Subject) -> Finding:
    """The gradient is that of the energy, also ten times as far out: central differences at two widths, extrapolated. The
    tolerance is twice their disagreement, the rounding of the energies (in the precision that they come in), and 2e-5
    of the steepest slope."""
    if subject.family.gradient is None:
        raise Skip("it has no gradient")
    subject.energies  # noqa: B018  (skips where there are none)
    x = subject.points
    near = x if subject.space.discrete else np.vstack([x, 0.5 * x])
    worst = _slope_error(subject, near)
    if not subject.space.discrete:
        _slope_error(subject, FAR * x)
    return Finding(f"{worst:.1e}")


@check("family")
def single_precision_agrees(subject: Subject) -> Finding:
    """What ``single_precision`` returns are the same energy and gradient, and the same wells, to 2e-5 of the largest: of
    states in float32, in either memory order, as new float32 arrays, of one row and of none. A family that replaces its
    energy replaces this, too."""
    family, params = subject.family, subject.params
    if family.single_precision is None:
        raise Skip("it has no single_precision")
    x, answer = subject.points.astype(np.float32), family.single_precision(params)
    require(
        isinstance(answer, tuple) and len(answer) in (2, 3) and all(map(callable, answer[:2])),
        "single_precision returns neither (energy, gradient) nor these and its wells",
    )
    subject.energies  # noqa: B018  (skips where there are none)
    worst = 0.0
    for name, single in (("energy", answer[0]), ("gradient", answer[1])):
        double = getattr(family, name)
        if double is not None:
            wanted = np.asarray(double(params, x.astype(float)))
            worst = max(worst, *(_single_error(name, single, wanted, given) for given in _layouts(x)))
    if len(answer) == 3:
        numbers = {**answer[2]._asdict(), "confinement": np.atleast_1d(answer[2].confinement)}
        found, wanted = wells.energy(numbers, x.astype(float)), family.energy(params, x.astype(float))
        worst = max(
            worst, _single_error("energy of its wells", lambda x: found.astype(np.float32), wanted, x)
        )
    return Finding(f"{worst:.1e}")


def _layouts(x: Array) -> tuple[Array, ...]:
    return x.copy(), np.asfortranarray(x), x[:1].copy(), x[:0].copy()


def _single_error(name: str, single: Function, wanted: Array, x: Array) -> float:
    """The largest error of a function of float32 at x, the first of the rows where ``wanted`` is, in parts of the largest
    value; or Wrong."""
    given, scale, wanted = x.copy(order="K"), max(1.0, float(np.abs(wanted).max())), wanted[: len(x)]
    found = single(given)
    require(
        isinstance(found, np.ndarray) and found.dtype == np.float32 and found.shape == wanted.shape,
        f"single_precision: the {name} of {len(x)} rows is no float32 array of shape {wanted.shape}",
    )
    error = float(np.abs(found - wanted).max(initial=0.0)) / scale
    require(error <= SINGLE, f"single_precision: the {name} is off by {error * scale:.3g}")
    require((given == x).all(), f"single_precision: the {name} edits its states")
    before = found.copy()
    single(given[::-1].copy())
    require((found == before).all(), f"single_precision: the {name} is no new array")
    return error


def _slope_error(subject: Subject, x: Array) -> float:
    """The largest error of the gradient at x (n, dim), in parts of the steepest slope; Wrong where it is too large. Far
    out, a row whose energies are not finite says nothing."""
    assert subject.family.gradient is not None
    slope = np.asarray(subject.family.gradient(subject.params, x.copy()))
    eps = np.finfo(subject.energies.dtype).eps
    width = 1e-3 if eps < 1e-12 else 0.05
    wide, _ = _differences(subject, x, 2.0 * width)
    narrow, size = _differences(subject, x, width)
    estimate = (4.0 * narrow - wide) / 3.0
    told = np.isfinite(estimate).all(axis=1)
    x, slope, wide, narrow, estimate = (a[told] for a in (x, slope, wide, narrow, estimate))
    if not len(x):
        return 0.0
    rounding = 20 * eps * float(size[told].max()) / width
    scale = max(1.0, float(np.abs(estimate).max()))
    tolerance = 2.0 * np.abs(narrow - wide) + rounding + SLOPE * scale
    error = np.where(np.isfinite(slope), np.abs(slope - estimate), np.inf)
    row, column = np.unravel_index(int(np.argmax(error - tolerance)), error.shape)
    require(
        error[row, column] <= tolerance[row, column],
        f"∂E/∂x[{column}] at {np.round(x[row], 3).tolist()}: the gradient says {slope[row, column]:.6g}, differences "
        f"of the energy say {estimate[row, column]:.6g}",
    )
    return float(error.max()) / scale


def _differences(subject: Subject, x: Array, width: float) -> tuple[Array, Array]:
    """Central differences (n, dim) of the energy, and the largest energy met (n,)."""
    out, top = np.empty(x.shape), np.zeros(len(x))
    for column in range(x.shape[1]):
        step = np.zeros(x.shape[1])
        step[column] = width
        ahead, behind = (
            np.asarray(subject.family.energy(subject.params, x + s), dtype=float) for s in (step, -step)
        )
        out[:, column] = (ahead - behind) / (2.0 * width)
        top = np.maximum(top, np.abs(ahead))
    return out, top


@check("family", false_alarm=1e-9)
def truths_agree(subject: Subject) -> Finding:
    """Where log Z is known in two ways, they agree: ``log_partition`` with enumeration to 1e-6 or with quadrature to
    its own error of 1e-3; ``bracket`` holds the exact one within six of its standard errors (1e-9 if it is normal)."""
    family, params = subject.family, subject.params
    if family.log_partition is None and family.bracket is None:
        raise Skip("it has no log_partition and no bracket")
    case = subject.cases[0]
    target = case.target(None)
    truth = truth_of(target)
    if not np.isfinite(truth.log_partition):
        raise Skip(f"nothing to compare with: {truth.reason}")
    figures = []
    if family.log_partition is not None:
        closed = family.log_partition(params)
        if closed is not None:
            limit = 1e-6 * max(1.0, abs(truth.log_partition)) if truth.kind == "enumeration" else 1e-3
            error = abs(float(closed) - truth.log_partition)
            require(
                error <= limit,
                f"log_partition is {float(closed):.6g}, {truth.kind} says {truth.log_partition:.6g}",
            )
            figures.append(f"closed form off by {error:.1e}")
    if family.bracket is not None:
        lower, upper, standard_error = family.bracket(params, subject.rng("bracket"), 256)
        slack = 6.0 * standard_error + 1e-9
        require(
            lower - slack <= truth.log_partition <= upper + slack,
            f"bracket says {lower:.6g} to {upper:.6g} ± {standard_error:.2g}, {truth.kind} says {truth.log_partition:.6g}",
        )
        figures.append(f"bracket {lower - truth.log_partition:+.3f} {upper - truth.log_partition:+.3f}")
    if not figures:
        raise Skip("log_partition says None: too large")
    return Finding(", ".join(figures))


@check("family")
def box_holds_the_mass(subject: Subject) -> Finding:
    """``box`` is a lower and an upper corner (2, dim), and at least half of all exact draws are inside it."""
    family, params = subject.family, subject.params
    box = None if family.box is None else family.box(params)
    if box is None:
        raise Skip("it has no box")
    box = np.asarray(box, dtype=float)
    dim = subject.space.dim
    require(box.shape == (2, dim), f"box has shape {box.shape}, not (2, {dim})")
    require(
        np.isfinite(box).all() and (box[0] < box[1]).all(), "box: the lower corner is not below the upper one"
    )
    case = subject.cases[0]
    states = case.exact(case.config).draw(4000, subject.rng("box"))
    share = float(((states >= box[0]) & (states <= box[1])).all(axis=1).mean())
    require(share >= 0.5, f"only {share:.0%} of exact draws are inside the box")
    return Finding(f"{share:.1%} inside")


@check("family")
def support_is_finite(subject: Subject) -> Finding:
    """``support`` of a row lists states of its space, without doubles, whose energies are finite."""
    family, params = subject.family, subject.params
    if family.support is None:
        raise Skip("it has no support")
    states = np.asarray(family.support(params, subject.cases[0].origin))
    dim = subject.space.dim
    require(states.ndim == 2 and states.shape[1] == dim, f"support has shape {states.shape}, not (s, {dim})")
    require(subject.space.contains(states).all(), "support lists what is not a state of its space")
    require(len(np.unique(states, axis=0)) == len(states), "support lists a state twice")
    require(np.isfinite(family.energy(params, states)).all(), "support: some energies are not finite")
    return Finding(f"{len(states)} states")
