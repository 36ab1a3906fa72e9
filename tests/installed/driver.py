"""Runs inside the fresh environment: load, run a good family, run a broken one, again and again in one process."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np

from ebm_plugins import PluginError, RunSpec, Snapshot, load, run, starts
from ebm_plugins.runs import result_digest

GOOD = ("ebm-ising", "ebm-flips", "ebm-crosses")
DISTRIBUTIONS = {"broken_name": "ebm-second-ising"}


def spec(family, sampler="", dataset="crosses", n=64, seed=5, **sample):
    start = starts.Noise(n)
    return RunSpec(family=family, dataset=dataset, sampler=sampler, sample=sample, start=start, seed=seed)


def good(registry):
    return result_digest(run(spec("ising", steps=20), registry))


def mix(registry, **asked):
    made = run(spec(**asked), registry)
    states = made.sampling.last
    return {
        "family": made.spec.family,
        "sampler": made.spec.sampler,
        "dataset": made.spec.dataset,
        "total_variation": made.truth.total_variation(states),
        "floor": made.truth.floor(len(states))[2],
    }


def chequerboard(params, config, rng, x):
    """The planted bug: all black cells at once, then all white ones. On an odd torus some of them are neighbours."""
    side = round(x.shape[1] ** 0.5)
    black = np.add.outer(np.arange(side), np.arange(side)).ravel() % 2 == 0
    while True:
        for cells in (black, ~black):
            on = 1 / (1 + np.exp(-2 * (2 * x - 1) @ params["neighbours"] / config.temperature))
            x = np.where(cells, rng.random(x.shape) < on, x).astype(float)
        yield Snapshot(x)


def planted(registry):
    """The registry with the bug in its Ising family, under another key: truths are kept by key."""
    bad = replace(registry.families["ising"], key="ising-bad", sample=chequerboard)
    return replace(registry, families={**registry.families, "ising-bad": bad})


def main():
    names = sys.argv[1 : sys.argv.index("--run")]
    to_run = sys.argv[sys.argv.index("--run") + 1 :]
    alone = load(GOOD)
    found = {"good": good(alone)}
    found["mixes"] = [
        mix(alone, family="ising", sampler="ising", n=4000, steps=60, temperature=2.5),
        mix(alone, family="ising", sampler="flips", dataset="bars-and-stripes-3x3", n=4000, steps=400, every=20,
            temperature=4.0),
        mix(alone, family="hopfield", sampler="flips", n=4000, steps=400, every=20, temperature=1.0),
    ]  # fmt: skip
    found["planted"] = mix(planted(alone), family="ising-bad", n=4000, steps=60, temperature=2.5)
    for name in names:
        distribution = DISTRIBUTIONS.get(name, "ebm-" + name.replace("_", "-"))
        registry = load((*GOOD, distribution))
        one = {
            "failures": [vars(f) for f in registry.failures if not f.plugin.startswith("ebm_plugins.")],
            "families": [k for k in registry.families if registry.providers[k].name == distribution],
        }
        key = name.replace("_", "-")
        if key in registry.families:
            one["presets"] = list(registry.families[key].presets)
        if name in to_run:
            try:
                run(spec(key), registry)
                one["error"] = None
            except PluginError as error:
                one["error"] = [error.plugin, error.part, error.message]
        one["good"] = good(registry)
        found[name] = one
    print(json.dumps(found))


if __name__ == "__main__":
    main()
