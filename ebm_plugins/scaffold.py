"""A new plugin: a whole package with a family, its test and a README, which conforms as it is written."""

from __future__ import annotations

import re
from pathlib import Path

from ebm_plugins.admission import MAX_KEY, RESERVED, SLUG
from ebm_plugins.registry import BUILTINS

FAMILY = '''"""{title}: one round valley on the plane, fitted to the data and sampled exactly.

The energy is E(x) = ½ (x − μ)ᵀ P (x − μ), so exp(−E) is a Gaussian with mean μ and precision P. Replace energy, train
and sample by your own; the checks in test_{module}.py say what no longer holds.
"""

import numpy as np

from ebm_plugins import Config, ConfigError, Family, Lens, Plane, RunSpec, Snapshot, hookimpl, knob


class Training(Config):
    epochs: int = knob(60, "How many steps towards the data's mean and spread are taken.", ge=1, le=1_000, log=True)
    rate: float = knob(0.2, "What part of the way each of them goes.", ge=0.01, le=1.0)


class Sampling(Config):
    steps: int = knob(100, "How many times all states are drawn afresh.", ge=1, le=10_000, log=True)
    temperature: float = knob(1.0, "The T of exp(−E/T): higher is wider.", ge=0.1, le=10.0, log=True)


def energy(params, x):
    """E(x) = ½ (x − μ)ᵀ P (x − μ) of a batch x (n, 2); returns (n,)."""
    away = x - params["mean"]
    return 0.5 * ((away @ params["precision"]) * away).sum(axis=1)


def gradient(params, x):
    """∇E = P (x − μ), (n, 2): with it Langevin samplers run on this energy, too."""
    return (x - params["mean"]) @ params["precision"]


def train(data, config, rng):
    """From the unit Gaussian towards the data, a snapshot a step; each yields arrays of its own."""
    if len(data.x) < 3:
        raise ConfigError("data", "at least three points", f"{{len(data.x)}}")
    goal = np.cov(data.x.T) + 1e-6 * np.eye(2)
    mean, spread = np.zeros(2), np.eye(2)
    for _ in range(config.epochs):
        mean = mean + config.rate * (data.x.mean(axis=0) - mean)
        spread = spread + config.rate * (goal - spread)
        precision = np.linalg.inv(spread)
        precision = 0.5 * (precision + precision.T)
        params = {{"mean": mean, "precision": precision}}
        likelihood = -energy(params, data.x).mean() - log_partition(params)
        yield Snapshot(params, {{"log-likelihood": float(likelihood)}})


def sample(params, config, rng, x):
    """Independent exact draws: μ + √T L ξ with L Lᵀ = P⁻¹, whatever x was. Draw from rng only."""
    root = np.linalg.cholesky(np.linalg.inv(params["precision"])) * np.sqrt(config.temperature)
    for _ in range(config.steps):
        yield Snapshot(params["mean"] + rng.standard_normal(x.shape) @ root.T)


def log_partition(params):
    """log Z = log 2π − ½ log |P|, at T = 1."""
    return float(np.log(2 * np.pi) - 0.5 * np.linalg.slogdet(params["precision"])[1])


def contours(run):
    """A figure of a run; Plotly is imported when it is drawn."""
    import plotly.graph_objects as go

    from ebm_plugins.palette import LIGHT

    states = run.sampling.last
    figure = go.Figure(go.Scattergl(x=states[:, 0], y=states[:, 1], mode="markers", marker_color=LIGHT["model"]))
    return figure.update_layout(template=None, paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)")


@hookimpl
def register_families():
    yield Family(
        key="{key}",
        title="{title}",
        summary=r"One round valley: $E(x) = \\tfrac12 (x - \\mu)^\\top P (x - \\mu)$, fitted to the data.",
        accepts=(Plane,),
        energy=energy,
        train=train,
        sample=sample,
        train_config=Training,
        sample_config=Sampling,
        gradient=gradient,
        log_partition=log_partition,
        exactness="exact",
        reversible=True,
        lens=Lens(
            year=1809,
            authors="Gauss",
            energy=r"\\tfrac12 (x-\\mu)^\\top P (x-\\mu)",
            learns="Mean and spread of the data",
            samples="Directly",
            avoids="Nothing: Z is known",
        ),
        presets={{"Two moons": RunSpec(family="{key}", dataset="two-moons")}},
        example=RunSpec(family="{key}", dataset="two-moons", train={{"epochs": 20}}, sample={{"steps": 20}}),
        figures={{"Where the states are": contours}},
        learn="The valley moves to the data and takes their width. **Try** a dataset with two clusters: one valley "
        "cannot hold both.",
    )
'''

TEST = '''"""{title} against the conformance kit, and what is particular to it."""

import numpy as np
from ebm_plugins import run
from ebm_plugins.testing import parametrize_with_checks, with_records

import {module}

(FAMILY,) = {module}.register_families()


@parametrize_with_checks("{module}")
def test_conforms(check):
    check()


def test_the_fit_is_the_datas_own_mean(ebm_registry):
    made = run(FAMILY.example, with_records(ebm_registry, FAMILY))
    assert np.allclose(made.params["mean"], made.data.x.mean(axis=0), atol=0.05)
'''

PROJECT = """[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "ebm-{key}"
version = "0.1.0"
description = "{title}: a model family for ebm-plugins."
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["ebm-plugins"]

[project.optional-dependencies]
test = ["pytest"]

[project.entry-points.ebm_plugins]
{key} = "{module}"

[tool.hatch.build.targets.wheel]
only-include = ["{module}.py"]
"""

README = """# {title}

A model family for ebm-plugins: energy, training and sampling in `{module}.py`, named under the entry point group
`ebm_plugins` in `pyproject.toml`.

```sh
pip install -e '.[test]'
python -m ebm_plugins check {key}   # what holds, and what does not
pytest                              # the same as tests, and your own
```

Its page is there as soon as it is installed beside `ebm-plugins[dashboard]`: in a checkout of that project,
`pip install -e '.[dashboard]'`, then `streamlit run dashboard`.
"""


class BadNameError(ValueError):
    """A name that no package can have; the message says what was expected."""


def write(name: str, into: Path) -> Path:
    """Write the package of a family with this key into a new folder ``into/ebm-NAME``, and return the folder.

    Raises BadNameError for a name that cannot be a key, and FileExistsError for a folder that exists.
    """
    key = name.removeprefix("ebm-")
    if not SLUG.fullmatch(key) or len(key) > MAX_KEY:
        raise BadNameError(
            f"expected a name of at most {MAX_KEY} lowercase letters, digits, hyphens and underscores, like "
            f"‘my-family’, got ‘{name}’"
        )
    if key in RESERVED:
        raise BadNameError(f"‘{key}’ is a page or a link parameter of the dashboard; choose another name")
    if key in {module.rsplit(".", 1)[-1].replace("_", "-") for module in BUILTINS}:
        raise BadNameError(f"‘{key}’ is built in; choose another name")
    folder = into / f"ebm-{key}"
    if folder.exists():
        raise FileExistsError(f"{folder} exists already, and nothing in it was touched; choose another name")
    words = {
        "key": key,
        "module": "ebm_" + re.sub(r"[-_]+", "_", key),
        "title": re.sub(r"[-_]+", " ", key).capitalize(),
    }
    folder.mkdir()
    for file, text in (
        ("pyproject.toml", PROJECT), (f"{words['module']}.py", FAMILY), (f"test_{words['module']}.py", TEST),
        ("README.md", README),
    ):  # fmt: skip
        (folder / file).write_text(text.format(**words), encoding="utf-8")
    return folder
