r"""Three ways down a ladder of noise with a score that knows the level, and the step off its end.

- *Annealed Langevin* (Song, Ermon 2019): at every level of the ladder in turn, Langevin steps of size α = ησ²,
  :math:`x' = x + α s(x, σ) + \sqrt{2α}\,ξ`. (Their α/2 is this α.)
- *Predictor-corrector* (Song 2021, variance exploding): the noise shrinks in as many levels as there are steps;
  each step goes down by :math:`x' = x + (σ_k^2 - σ_{k+1}^2)\,s + \sqrt{σ_k^2 - σ_{k+1}^2}\,ξ`, then takes one
  Langevin step of size ησ² at the new level.
- *Probability flow* (Song 2021): no noise at all, :math:`dx/dσ = -σ\,s(x, σ)`, by Heun's rule (Karras 2022).

States are in float32 inside, in tiles of chains with random numbers of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from ebm_plugins.chains import counts
from ebm_plugins.noise import Noise, blocks
from ebm_plugins.records import Array, Rng

Score = Callable[[Array, float], Array]
Step = Callable[[Array, int, Noise], Array]


def levels_of(method: str, sigmas: Array, steps: int) -> Array:
    """The noise level (steps + 1,) before each step, and after the last one.

    Annealed Langevin stays on the levels of the ladder, the same number of steps on each (the last ones are left
    out where steps are fewer than levels, never the smallest); the others go down a finer one of their own.
    """
    if method == "annealed":
        index = np.arange(steps) * len(sigmas) // steps
        if steps < len(sigmas):
            index = np.round(np.linspace(0, len(sigmas) - 1, steps + 1)).astype(int)[1:]
        return np.append(sigmas[index], sigmas[-1])
    if len(sigmas) == 1:
        return np.full(steps + 1, sigmas[0])
    return np.geomspace(sigmas[0], sigmas[-1], steps + 1)


def langevin(score: Score, x: Array, sigma: float, step_size: float, noise: Array) -> Array:
    """One Langevin step at a level: x + ησ²·s(x, σ) + √(2η)σ·ξ for states and standard normals (n, dim)."""
    out = score(x, sigma)
    out *= x.dtype.type(step_size * sigma**2)
    out += x
    out += x.dtype.type(np.sqrt(2 * step_size) * sigma) * noise
    return out


def predictor(score: Score, x: Array, above: float, below: float, noise: Array) -> Array:
    """One step down from a level to the next: x + (σ² − σ'²)·s(x, σ) + √(σ² − σ'²)·ξ."""
    drop = above**2 - below**2
    return np.asarray(x + x.dtype.type(drop) * score(x, above) + x.dtype.type(np.sqrt(drop)) * noise)


def flow(score: Score, x: Array, above: float, below: float) -> Array:
    """One Heun step of dx/dσ = −σ·s(x, σ) from a level to the next."""
    width = x.dtype.type(below - above)
    slope = x.dtype.type(-above) * score(x, above)
    there = x.dtype.type(-below) * score(x + width * slope, below)
    return np.asarray(x + width * x.dtype.type(0.5) * (slope + there))


def stepper(method: str, score: Score, levels: Array, step_size: float) -> Step:
    """``step(x, k, noise)``: step k (from 0) of a method over the levels of :func:`levels_of`."""

    def annealed(x: Array, k: int, noise: Noise) -> Array:
        return langevin(score, x, levels[k], step_size, noise.normal(x))

    def corrected(x: Array, k: int, noise: Noise) -> Array:
        x = predictor(score, x, levels[k], levels[k + 1], noise.normal(x))
        return langevin(score, x, levels[k + 1], step_size, noise.normal(x))

    def flowing(x: Array, k: int, noise: Noise) -> Array:
        return flow(score, x, levels[k], levels[k + 1])

    return {
        "annealed": annealed,
        "predictor-corrector": corrected,
        "probability-flow": flowing,
    }[method]


def descend(
    score: Score,
    method: str,
    sigmas: Array,
    x: Array,
    rng: Rng,
    *,
    steps: int,
    step_size: float,
    every: int,
    denoise: bool,
    noised: bool,
    free: NDArray[np.bool_] | None = None,
) -> Iterator[tuple[Array, float]]:
    """The states (n, dim) and their noise level after every ``every`` of ``steps`` steps from ``x``.

    ``noised`` adds noise of the first level to the start; ``denoise`` ends with Tweedie's step to the mean of what
    is clean. Where ``free`` (dim,) is given the others are held at their start: at each level they are replaced by
    it with that level's noise (Song, Ermon 2019), and what is yielded has them as they were.
    """
    levels = levels_of(method, sigmas, steps)
    step = stepper(method, score, levels, step_size)
    parts = blocks(rng, len(x))
    states: list[Array] = [np.array(x[part.rows], dtype=np.float32) for part in parts]
    known = [state.copy() for state in states]
    if noised:
        first = np.float32(levels[0])
        states = [s + first * part.noise.normal(s) for s, part in zip(states, parts, strict=True)]
    done = 0
    for count in counts(steps, every):
        last = done + count == steps
        with np.errstate(all="ignore"):
            for i, part in enumerate(parts):
                y = states[i]
                for k in range(done, done + count):
                    if free is not None:
                        blurred = known[i] + np.float32(levels[k]) * part.noise.normal(y)
                        y = np.where(free, y, blurred)
                    y = step(y, k, part.noise)
                if last and denoise:
                    y = y + np.float32(levels[-1] ** 2) * score(y, levels[-1])
                states[i] = y
        done += count
        out = np.concatenate(states)
        yield (out if free is None else np.where(free, out, x)), float(levels[done])
