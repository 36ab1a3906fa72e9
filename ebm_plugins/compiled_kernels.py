r"""Chains on Gaussian wells of the plane, many steps of a tile at once, written for a compiler that uses the
processor's vectors.

Every loop runs over chains and does the same to each, without a branch, in float32; what stands between two loops stays
in the first cache. The random numbers are those of :mod:`ebm_plugins.noise`, bit for bit up to the functions below,
which are right to a few units of the last place, as NumPy's are: a chain goes where NumPy would send it, but for
rounding.

Without numba these are plain Python functions that do the same, slowly: :mod:`ebm_plugins.compiled` then never calls
them. Polynomials: Moshier's Cephes (log, exp), and least squares at Chebyshev points (sine, cosine).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ebm_plugins.noise import Array

try:
    import numba
except ImportError:  # it is not installed, or does not go with this NumPy
    COMPILES = False

    def vectorised(function: Callable[..., Any]) -> Callable[..., Any]:
        """The function as it is."""
        return function
else:
    COMPILES = True
    # A product and a sum may become one instruction; nothing is assumed of NaN and infinity, and no sum is reordered.
    _OPTIONS: dict[str, Any] = {"nogil": True, "fastmath": {"contract"}, "error_model": "numpy"}

    def vectorised(function: Callable[..., Any]) -> Callable[..., Any]:
        """The function compiled when it is first called; kept on disk beside this file, or wherever numba may."""
        try:
            return numba.njit(function, cache=True, **_OPTIONS)
        except RuntimeError:  # there is no place to keep it
            return numba.njit(function, **_OPTIONS)


# --- Functions, of float32 --------------------------------------------------------------------------------------------

F, I = np.float32, np.int32  # noqa: E741
ROOT_HALF, MANTISSA = I(0x3F3504F3), I(0x7FFFFF)  # the bits of √½ and of a fraction
LN2_HIGH, LN2_LOW = F(0.693359375), F(-2.12194440e-4)
LEAST = F(-87.0)  # below, e^x is 0: no normal number is as small


@vectorised
def log(x: Any) -> Any:
    """log x of a normal number x > 0: of x = m·2^e with m in [√½, √2), log m by a polynomial."""
    bits = I(F(x).view(np.int32) - ROOT_HALF)
    e = F(I(bits >> I(23)))
    f = F(I(I(bits & MANTISSA) + ROOT_HALF).view(np.float32) - F(1))
    p = F(F(7.0376836292e-2) * f + F(-1.1514610310e-1))
    p = F(p * f + F(1.1676998740e-1))
    p = F(p * f + F(-1.2420140846e-1))
    p = F(p * f + F(1.4249322787e-1))
    p = F(p * f + F(-1.6668057665e-1))
    p = F(p * f + F(2.0000714765e-1))
    p = F(p * f + F(-2.4999993993e-1))
    p = F(p * f + F(3.3333331174e-1))
    z = F(f * f)
    return F(F(F(F(p * f) * z + e * LN2_LOW) - F(0.5) * z) + f + e * LN2_HIGH)


@vectorised
def exp(x: Any) -> Any:
    """e^x of x ≤ 0, 0 below −87, NaN of NaN."""
    clamped = x if x > LEAST else LEAST
    n = np.rint(F(clamped * F(1.44269504)))
    r = F(F(clamped - n * LN2_HIGH) - n * LN2_LOW)
    p = F(F(1.9875691500e-4) * r + F(1.3981999507e-3))
    p = F(p * r + F(8.3334519073e-3))
    p = F(p * r + F(4.1665795894e-2))
    p = F(p * r + F(1.6666665459e-1))
    p = F(p * r + F(5.0000001201e-1))
    p = F(F(p * r) * r + r) + F(1)
    power = I(I(I(n) + I(127)) << I(23)).view(np.float32)
    return F(p * power) if x > LEAST else (F(0) if x <= LEAST else x)


# --- Random numbers ---------------------------------------------------------------------------------------------------


@vectorised
def words(stream: Array, out: Array) -> None:
    """The next 64-bit words of SFC64 (Doty-Humphrey 2010), whose state (4,) goes on: NumPy's own, in line."""
    a, b, c, count = stream[0], stream[1], stream[2], stream[3]
    for i in range(len(out)):
        word = a + b + count
        count = count + np.uint64(1)
        a = b ^ (b >> np.uint64(11))
        b = c + (c << np.uint64(3))
        c = ((c << np.uint64(24)) | (c >> np.uint64(40))) + word
        out[i] = word
    stream[0], stream[1], stream[2], stream[3] = a, b, c, count


@vectorised
def uniform(bits: Any) -> Any:
    """In (0, 1], of 32 bits: see :func:`ebm_plugins.noise.uniforms`."""
    return F(F(F(bits) + F(0.5)) * F(2.0**-32))


@vectorised
def normals(radii: Array, angles: Array, across: Array, up: Array) -> None:
    """Box and Muller's normals (m,), twice, of as many 32 bits: see :func:`ebm_plugins.noise.box_muller`.

    Sine and cosine are those of half the angle, within ±π/2, where one polynomial each will do, and doubled.
    """
    for i in range(len(across)):
        radius = np.sqrt(F(F(-2) * log(uniform(radii[i]))))
        half = F(F(I(angles[i])) * F(math.pi * 2.0**-32))
        z = F(half * half)
        s = F(F(-2.3889859e-08) * z + F(2.7525562e-06))
        s = F(s * z + F(-1.9840874e-04))
        s = F(s * z + F(8.3333310e-03))
        s = F(s * z + F(-1.6666667e-01))
        s = F(F(F(s * z) * half) + half)
        c = F(F(-2.6051615e-07) * z + F(2.4760495e-05))
        c = F(c * z + F(-1.3888378e-03))
        c = F(c * z + F(4.1666638e-02))
        c = F(c * z + F(-0.5))
        c = F(F(c * z) + F(1))
        twice = F(F(2) * F(radius * s))
        across[i] = F(radius - F(twice * s))
        up[i] = F(twice * c)


# --- Wells ------------------------------------------------------------------------------------------------------------
# (K + 1, 4): the centre, −1/2w² and the height of each well; below them, the confinement alone.


@vectorised
def energies(x: Array, y: Array, wells: Array, out: Array) -> None:
    """E (m,) at the places x, y (m,)."""
    confinement = wells[-1, 0]
    if confinement != F(0):
        for i in range(len(out)):
            out[i] = F(confinement * F(F(x[i] * x[i]) + F(y[i] * y[i])))
    else:
        out[:] = F(0)
    for k in range(len(wells) - 1):
        mu_x, mu_y, rate, height = wells[k, 0], wells[k, 1], wells[k, 2], wells[k, 3]
        for i in range(len(out)):
            dx, dy = F(x[i] - mu_x), F(y[i] - mu_y)
            out[i] = F(out[i] - F(height * exp(F(F(F(dx * dx) + F(dy * dy)) * rate))))


@vectorised
def slopes(x: Array, y: Array, wells: Array, across: Array, up: Array) -> None:
    """∇E (m,), (m,) at the places x, y (m,)."""
    stiffness = F(F(2) * wells[-1, 0])
    if stiffness != F(0):
        for i in range(len(across)):
            across[i] = F(stiffness * x[i])
            up[i] = F(stiffness * y[i])
    else:
        across[:] = F(0)
        up[:] = F(0)
    for k in range(len(wells) - 1):
        mu_x, mu_y, rate, height = wells[k, 0], wells[k, 1], wells[k, 2], wells[k, 3]
        pull = F(F(-2) * F(rate * height))
        for i in range(len(across)):
            dx, dy = F(x[i] - mu_x), F(y[i] - mu_y)
            bump = F(pull * exp(F(F(F(dx * dx) + F(dy * dy)) * rate)))
            across[i] = F(across[i] + F(bump * dx))
            up[i] = F(up[i] + F(bump * dy))


@vectorised
def choose(taken: Array, new: Array, old: Array) -> None:
    """``new`` over ``old`` where ``taken``, all (m,)."""
    for i in range(len(old)):
        other, this = new[i], old[i]
        old[i] = other if taken[i] else this


# --- Kernels ----------------------------------------------------------------------------------------------------------

BLOCK = 1024  # chains whose numbers stay in the first cache


@vectorised
def langevin(wells: Array, stream: Array, x: Array, step_size: Any, steps: int) -> None:
    """So many steps x − η∇E(x) + √(2η)ξ of the chains ``x`` (2, n), in place."""
    n = x.shape[1]
    drawn = np.empty(n, np.uint64)
    bits = drawn.view(np.uint32)
    across, up, right, high = np.empty(BLOCK, F), np.empty(BLOCK, F), np.empty(BLOCK, F), np.empty(BLOCK, F)
    spread = F(np.sqrt(F(2) * step_size))
    for _ in range(steps):
        words(stream, drawn)
        for first in range(0, n, BLOCK):
            last = min(first + BLOCK, n)
            m = last - first
            px, py = x[0, first:last], x[1, first:last]
            gx, gy, nx, ny = across[:m], up[:m], right[:m], high[:m]
            slopes(px, py, wells, gx, gy)
            normals(bits[first:last], bits[n + first : n + last], nx, ny)
            for i in range(m):
                px[i] = F(px[i] + F(F(spread * nx[i]) - F(step_size * gx[i])))
                py[i] = F(py[i] + F(F(spread * ny[i]) - F(step_size * gy[i])))


@vectorised
def metropolis(
    wells: Array,
    stream: Array,
    x: Array,
    energy: Array,
    proposed: Array,
    taken: Array,
    scale: Any,
    steps: int,
) -> int:
    """So many random-walk proposals x + sξ and their tests, of the chains ``x`` (2, n) with their energies (n,), in
    place. ``proposed`` (2, n) and ``taken`` (n,) are those of the last step; returns how many were taken in all."""
    n = x.shape[1]
    drawn = np.empty(n + (n + 1) // 2, np.uint64)
    bits = drawn.view(np.uint32)
    after = np.empty(BLOCK, F)
    count = 0
    for _ in range(steps):
        words(stream, drawn)
        for first in range(0, n, BLOCK):
            last = min(first + BLOCK, n)
            px, py, old, new = x[0, first:last], x[1, first:last], energy[first:last], after[: last - first]
            qx, qy, yes = proposed[0, first:last], proposed[1, first:last], taken[first:last]
            normals(bits[first:last], bits[n + first : n + last], qx, qy)
            for i in range(last - first):
                qx[i] = F(px[i] + F(scale * qx[i]))
                qy[i] = F(py[i] + F(scale * qy[i]))
            energies(qx, qy, wells, new)
            chance = bits[2 * n + first : 2 * n + last]
            for i in range(last - first):
                yes[i] = log(uniform(chance[i])) < F(old[i] - new[i])
            choose(yes, qx, px)
            choose(yes, qy, py)
            choose(yes, new, old)
            for i in range(last - first):
                count += yes[i]
    return count


# --- Recall -----------------------------------------------------------------------------------------------------------

STATES = 256  # whose overlaps stay in the first cache


@vectorised
def add(factor: Any, what: Array, to: Array) -> None:
    """``to`` (m,) plus so many times ``what`` (m,)."""
    for i in range(len(to)):
        to[i] = F(to[i] + F(factor * what[i]))


@vectorised
def recall(patterns: Array, order: Array, overlaps: Array, s: Array, flips: Array) -> None:
    """One asynchronous sweep over the cells ``order`` under Hebb's rule, of all states s (N, n) in place, cell by cell:
    h = Ξ_i·m − P s_i from the ``overlaps`` m = Ξs (P, n), which follow each change. ``patterns`` is (N, P).

    Everything is a whole number that float32 holds. A cell whose field is 0 stays; ``flips`` (n,) are added to.
    """
    field = np.empty(STATES, F)
    count = F(patterns.shape[1])
    for first in range(0, s.shape[1], STATES):
        last = min(first + STATES, s.shape[1])
        h, flipped = field[: last - first], flips[first:last]
        for site in order:
            pattern, spins = patterns[site], s[site, first:last]
            for i in range(last - first):
                h[i] = F(F(0) - F(count * spins[i]))
            for p in range(len(pattern)):
                add(pattern[p], overlaps[p, first:last], h)
            busy = 0
            for i in range(last - first):
                spin = spins[i]
                change = F(F(-2) * spin) if F(h[i] * spin) < F(0) else F(0)
                h[i] = change
                spins[i] = F(spin + change)
            for i in range(last - first):
                flipped[i] += np.int64(F(F(0.5) * np.abs(h[i])))
            for i in range(last - first):
                busy += int(np.abs(h[i]))
            if busy:
                for p in range(len(pattern)):
                    add(pattern[p], h, overlaps[p, first:last])
