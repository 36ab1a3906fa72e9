"""Every family × sampler × dataset: it runs and keeps the exact answer, or it is refused with a stated reason.

Generated from the registry. What is refused is counted, and the counts are pinned below: a change there is a change
in what the lab offers.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from ebm_plugins import ConfigError, Run, RunSpec, run, starts
from ebm_plugins.plans import offered_samplers, plan
from ebm_plugins.records import Sampler, exactness_of
from ebm_plugins.registry import load

REGISTRY = load(discover=False)
# family: how many of its pairs (sampler, dataset) are refused; all others run. Print the counts by running this file.
REFUSED: dict[str, int] = {
    "hopfield": 210, "langevin": 170, "rbm": 200, "metropolis-hastings": 170, "dsm": 170, "infonce": 235,
}  # fmt: skip
REASONS = (
    r"^data: expected data in \w+.*, got .*, which is in \w+$",
    r"it needs states in [\w ]+, and these are in \w+$",
    r"it needs a gradient, and this energy has none$",
    r"expected .*no energy to compare",
    r"^data: expected data with rows, .* which has none$",
)
PAIRS = [(family, data) for family in REGISTRY.families for data in REGISTRY.datasets]
CHAINS = 1000


def samplers(family: str) -> list[str]:
    return [*REGISTRY.samplers, family]


def spec(family: str, sampler: str, data: str) -> RunSpec:
    """Short: little training, six chains, three snapshots."""
    return RunSpec(
        family=family,
        dataset=data,
        sampler=sampler,
        start=starts.Noise(n=6),
        seed=1,
        train_stop=2,
        sample_stop=3,
    )


def made(family: str, sampler: str, data: str) -> Run | str:
    """The run, or the reason for which it is refused."""
    try:
        return run(spec(family, sampler, data), REGISTRY)
    except ConfigError as refusal:
        return str(refusal)


@lru_cache(maxsize=1)
def outcomes(family: str, data: str) -> dict[str, Run | str]:
    return {sampler: made(family, sampler, data) for sampler in samplers(family)}


def agrees(found: Run, record: Sampler, **values: object) -> None:
    """From exact draws, the kernel of an unbiased sampler keeps them exact, 1, 4 and 10 steps later.

    One draw in n moves the total variation by 1/n at most, so it exceeds its mean by t with probability exp(−2nt²)
    (McDiarmid), and its mean is within a standard deviation, 1/2√n at most, of the floor's median. False alarm 1e-9
    each, under 1e-6 for all of some 500.
    """
    truth = found.truth
    assert truth is not None
    steps = {"steps": 10} if "steps" in record.config.model_fields else {}
    config = record.config(**steps, **values)
    if exactness_of(record, config) not in ("exact", "asymptotic") or not truth.comparable:
        return
    x = truth.draw(CHAINS, np.random.default_rng(2))
    limit = truth.floor(CHAINS)[1] + 0.5 / math.sqrt(CHAINS) + math.sqrt(math.log(1e9) / (2 * CHAINS))
    stream = record.sample(found.target, config, np.random.default_rng(3), x)
    for step, snapshot in zip(range(1, 11), stream, strict=False):
        if step in (1, 4, 10):
            assert truth.total_variation(snapshot.value) < limit


@pytest.mark.parametrize(("family", "data"), PAIRS)
def test_it_runs_and_agrees_or_says_why_not(family: str, data: str) -> None:
    for sampler, found in outcomes(family, data).items():
        if isinstance(found, str):
            assert any(re.search(reason, found) for reason in REASONS), found
            continue
        assert found.space.contains(found.sampling.last).all()
        assert found.verdict is not None
        if sampler != family and found.truth is not None and found.truth.comparable:
            agrees(found, REGISTRY.samplers[sampler])


def test_the_agreement_can_fail() -> None:
    """A planted bug: a lopsided proposal without its Hastings correction, in a record that calls itself unbiased."""
    found = made("langevin", "metropolis", "plane")
    assert isinstance(found, Run)
    honest = replace(REGISTRY.samplers["metropolis"], exactness="asymptotic")
    agrees(found, honest, proposal="drifting")
    with pytest.raises(AssertionError):
        agrees(found, honest, proposal="drifting", correction=False)


@pytest.mark.parametrize("sampler", REGISTRY.samplers)
def test_a_model_with_a_gradient_and_no_energy_runs_or_names_the_sampler(sampler: str) -> None:
    """As a score network: what follows the gradient alone runs; what compares energies is refused at its control."""
    silent = replace(
        REGISTRY.families["langevin"],
        energy=lambda params, x: np.full(len(x), np.nan),
        box=None,
        single_precision=None,
    )
    registry = replace(REGISTRY, families={**REGISTRY.families, "langevin": silent})
    record = registry.samplers[sampler]
    follows = record.needs_gradient and exactness_of(record, record.config()) == "biased"
    if follows:
        assert np.isfinite(run(spec("langevin", sampler, "plane"), registry).sampling.last).all()
        return
    with pytest.raises(ConfigError) as error:
        run(spec("langevin", sampler, "plane"), registry)
    assert error.value.field == "sampler"


@pytest.mark.parametrize("family", REGISTRY.families)
def test_the_lab_offers_what_runs_and_names_the_reason_of_the_rest(family: str) -> None:
    """What :func:`offered_samplers` offers is what a plan accepts, for the family's first fitting dataset."""
    record = REGISTRY.families[family]
    for data, dataset in REGISTRY.datasets.items():
        if not isinstance(dataset.space, record.accepts):
            continue
        offered, refused = offered_samplers(record, record.states(dataset.space), REGISTRY)
        assert set(offered) | set(refused) >= set(REGISTRY.samplers)
        assert all(refused.values())
        for sampler in offered:
            plan(spec(family, sampler, data), REGISTRY)
        for sampler in refused:
            with pytest.raises(ConfigError, match=re.escape(refused[sampler])):
                plan(spec(family, sampler, data), REGISTRY)
        return


def count() -> Counter[str]:
    """Refused pairs by family, by running none: a plan, and whether there is something to learn from."""
    found: Counter[str] = Counter()
    for family, data in PAIRS:
        for sampler in samplers(family):
            try:
                drawn = plan(spec(family, sampler, data), REGISTRY)
            except ConfigError:
                found[family] += 1
                continue
            found[family] += drawn.data.bare and drawn.family.needs_data(drawn.train_config)
    return found


def test_the_number_of_refusals_is_pinned() -> None:
    assert dict(count()) == REFUSED


if __name__ == "__main__":
    print(dict(count()))
