r"""Metropolis–Hastings: propose a state from $q(x' \mid x)$, accept it with probability
$\min\{1, e^{E(x) - E(x')}\, q(x \mid x') / q(x' \mid x)\}$, else stay.

That leaves exp(−E) exactly invariant for any q, and Z cancels. Four proposals, with ξ ~ N(0, I):

* random walk, $x' = x + s\xi$: symmetric, so the ratio of the q is 1 and this is Metropolis (1953);
* independent, $x' = c + s\,r\,\xi$, whatever x is, with the centre c and half the half-widths r of the target's box
  (0 and 1 where none is known);
* drifting, $x' = x + s(\xi + b)$ with b = 1/2 along the first coordinate: it leans to one side;
* widening, $x' = x + s(x)\xi$ with $s(x) = s\sqrt{1 + |x|^2/d}$: long steps far out, short ones inside.

The last three are not symmetric: without the Hastings correction they sample something else.

Best acceptance by expected squared jump on N(0, I_d): 0.439, 0.351, 0.315, 0.284, 0.259, 0.242 at d = 1, 2, 3, 5,
10, 30, at a scale of 2.4/√d; 0.234 in the limit of many (Roberts, Gelman, Gilks 1997). The top is flat: from 0.2 to
0.5 little is lost on the plane.

Sources: Metropolis, Rosenbluth, Rosenbluth, Teller, Teller 1953; Hastings 1970; Roberts, Gelman, Gilks 1997.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple

import numpy as np

from ebm_plugins import compiled
from ebm_plugins import config as configs
from ebm_plugins.chains import ahead, blocks, choose, known, many, split_single, tuning
from ebm_plugins.config import knob
from ebm_plugins.hookspecs import hookimpl
from ebm_plugins.noise import TILE, Array, Noise
from ebm_plugins.records import ConfigError, Rng, Sampler, Snapshot, Target
from ebm_plugins.spaces import Plane, Vectors

LEAN = 0.5  # of the drifting proposal, in units of its scale


class Config(configs.Config):
    """Proposal, its scale and tuning, length and temperature of Metropolis–Hastings."""

    proposal: Literal["random-walk", "independent", "drifting", "widening"] = knob(
        "random-walk",
        "Where the next state may be: near this one; anywhere, whatever this one is; leaning to the right; or "
        "further away the further out this one is. All but the first need the Hastings correction.",
    )
    scale: float = knob(
        1.0, "Size s of a proposal, a standard deviation. Small ones are accepted and hardly move, large ones are "
        "refused. For independent proposals, a multiple of half the landscape's half-width.",
        ge=1e-3, le=50.0, title="Scale s", log=True,
    )  # fmt: skip
    steps: int = knob(300, "Steps in all, warm-up included: one proposal each.", ge=1, le=100_000, log=True)
    warmup: int = knob(
        0, "First steps in which s is tuned to the acceptance below; then it is frozen. 0 leaves s as it is. "
        "States drawn while s is tuned are not yet draws from the target.",
        ge=0, le=10_000, title="Warm-up", unit="steps",
    )  # fmt: skip
    temperature: float = knob(1.0, "Temperature T: the target is exp(−E/T).", ge=0.05, le=20.0, log=True)
    correction: bool = knob(
        True, "Hastings' correction for proposals that are likelier one way than back. Off, to see what goes wrong.",
        title="Hastings correction", more=True,
    )  # fmt: skip
    target_acceptance: float = knob(
        0.37, "Acceptance that warm-up aims at: 0.44 is best on a line, 0.37 as good as any on the plane, 0.234 in many "
        "dimensions.",
        ge=0.05, le=0.95, more=True,
    )  # fmt: skip
    every: int = knob(1, "Steps between two snapshots.", ge=1, le=1000, log=True, more=True)


class State(NamedTuple):
    """One block: ``x`` (m, dim), its energy (m,), how many proposals were accepted so far, and of the last step
    what was proposed (m, dim) and whether it was taken (m,)."""

    x: Array
    energy: Array
    accepted: int
    proposed: Array
    taken: Array


class Proposal(NamedTuple):
    """A kind of proposal; ``centre`` and ``spread`` (dim,) are those of the independent one."""

    kind: str
    centre: Array
    spread: Array


def proposal_of(kind: str, target: Target) -> Proposal:
    """The proposal of this kind for a target."""
    if target.box is None:
        return Proposal(kind, np.zeros(target.space.dim), np.ones(target.space.dim))
    low, high = np.asarray(target.box, dtype=float)
    return Proposal(kind, 0.5 * (low + high), 0.25 * (high - low))


def propose(proposal: Proposal, x: Array, noise: Array, scale: float) -> tuple[Array, Array | float]:
    """Candidates (m, dim) from states and standard normals, both (m, dim), and log q(x|x′) − log q(x′|x) (m,)."""
    if proposal.kind == "random-walk":
        return x + scale * noise, 0.0
    if proposal.kind == "drifting":
        lean = np.zeros(x.shape[1], dtype=x.dtype)
        lean[0] = LEAN
        # the way back takes the noise −ξ − 2b
        return x + scale * (noise + lean), -2.0 * LEAN * noise[:, 0] - 2.0 * LEAN**2
    if proposal.kind == "widening":
        forth = _width(x, scale)
        candidate = x + forth[:, None] * noise
        back = _width(candidate, scale)
        squared = (noise * noise).sum(axis=1)
        return candidate, 0.5 * squared * (1.0 - (forth / back) ** 2) + x.shape[1] * np.log(forth / back)
    centre, spread = proposal.centre.astype(x.dtype), (scale * proposal.spread).astype(x.dtype)
    back_noise = (x - centre) / spread
    return centre + spread * noise, 0.5 * (
        (noise * noise).sum(axis=1) - (back_noise * back_noise).sum(axis=1)
    )


def _width(x: Array, scale: float) -> Array:
    return np.asarray(scale * np.sqrt(1.0 + (x * x).mean(axis=1)))


def step(
    target: Target, state: State, noise: Noise, scale: float, proposal: Proposal, correction: bool = True
) -> State:
    """One proposal and its test. Draws normals (m, dim), then uniforms (m,). A NaN ratio is a refusal."""
    candidate, log_q = propose(proposal, state.x, noise.normal(state.x), scale)
    energy = target.energy(candidate)
    log_ratio = state.energy - energy
    if correction:
        log_ratio = log_ratio + log_q
    taken = np.log(noise.uniform(len(candidate))) < log_ratio
    return State(
        choose(taken, candidate, state.x),
        choose(taken, energy, state.energy),
        state.accepted + int(np.count_nonzero(taken)),
        candidate,
        taken,
    )


def sample(target: Target, config: Config, rng: Rng, x: Array) -> Iterator[Snapshot]:
    """States after every ``config.every`` steps from ``x`` (n, dim). Metrics: ``acceptance``, and ``scale`` if tuned.

    Raises ConfigError for a warm-up of independent proposals, which have no scale that an acceptance tells of.
    """
    return _walk(target, config, rng, x, lambda state: None)


def replay(target: Target, config: Config, rng: Rng, x: Array, last: int) -> list[tuple[Array, Array, Array]]:
    """The last steps of the same run: (states after it, proposed, taken) of each, of at most 4096 chains."""
    every_step = config.model_copy(update={"every": 1})
    kept: deque[State] = deque(maxlen=max(1, last) * max(1, -(-len(x) // TILE)))
    for _ in _walk(target, every_step, rng, x, kept.append):
        pass
    first_block = list(kept)[:: max(1, -(-len(x) // TILE))]
    return [(state.x, state.proposed, state.taken) for state in first_block]


def _walk(
    target: Target, config: Config, rng: Rng, x: Array, watch: Callable[[State], None]
) -> Iterator[Snapshot]:
    if config.warmup and config.proposal == "independent":
        raise ConfigError("warmup", "0 with independent proposals, whose scale is not tuned", config.warmup)
    parts, proposal = blocks(target, rng, len(x)), proposal_of(config.proposal, target)
    states = [
        State(part, energy, 0, part, np.zeros(len(part), dtype=bool))
        for part, energy in known(target, split_single(target, x, parts))
    ]
    compact = None
    if config.proposal == "random-walk":
        compact = compiled.kernel("metropolis", target.energy, parts, config.steps)

    def kernel(state: State, noise: Noise, scale: float) -> State:
        state = step(target, state, noise, scale, proposal, config.correction)
        watch(state)
        return state

    def steps(state: State, stream: Array, count: int, scale: float) -> State:
        moved, energy, taken = np.array(state.x.T, order="C"), state.energy.copy(), np.zeros_like(state.taken)
        proposed = moved.copy()
        assert compact is not None
        accepted = compact(stream, moved, energy, proposed, taken, np.float32(scale), count)
        state = State(moved.T, energy, state.accepted + accepted, proposed.T, taken)
        watch(state)
        return state

    if compact is None:
        parts = ahead(parts, [state.x for state in states], ("normal", "uniform"), config.steps)
    else:
        parts = compiled.streams(parts)
    walk = many(kernel) if compact is None else steps
    return tuning(parts, states, config, config.scale, walk, x, "scale")


def exactness(config: Config) -> str:
    """Exact in the limit; biased where a lopsided proposal goes uncorrected."""
    return "asymptotic" if config.correction or config.proposal == "random-walk" else "biased"


SAMPLER = Sampler(
    key="metropolis",
    title="Metropolis–Hastings",
    summary="Propose a state, accept it by its energy or stay: needs nothing but energy differences.",
    accepts=(Plane, Vectors),
    exactness=exactness,
    config=Config,
    sample=sample,
    needs_energy=True,
    reversible=lambda config: exactness(config) == "asymptotic",
)


@hookimpl
def register_samplers() -> Iterable[Sampler]:
    yield SAMPLER
