"""What a run leaves behind: a script that reproduces it, its states as a table, its params as an archive."""

from __future__ import annotations

import io
import pprint
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from ebm_plugins import stored
from ebm_plugins.records import Array, Run
from ebm_plugins.registry import Registry
from ebm_plugins.runs import result_digest, spec_digest
from ebm_plugins.spaces import BinaryGrid, Pairs, Plane
from ebm_plugins.stamps import environment_of

SCRIPT = '''"""{title}: one run, made again. Needs ebm-plugins {version}{plugins}."""

{imports}from ebm_plugins import RunSpec, load, run{store}
from ebm_plugins.runs import environment_tag, result_digest, spec_digest

SPEC = {spec}
SPEC_DIGEST = "{spec_digest}"
RESULT_DIGEST = "{result_digest}"
ENVIRONMENT = "{environment}"

{data}registry = load()
result = run(RunSpec.from_dict(SPEC), registry)
params, states = result.params, result.sampling.last  # a mapping of arrays; (n, dim)

print("mean energy", float(result.target.energy(states{free}).mean() * result.target.temperature))
print("same settings, data and plugins:", spec_digest(result.spec, registry) == SPEC_DIGEST)
print("result digest", result_digest(result))
print("expected", RESULT_DIGEST)
if environment_tag() == ENVIRONMENT:
    print("same numbers, bit for bit:", result_digest(result) == RESULT_DIGEST)
else:
    print("another kind of machine or other versions: numbers agree within their Monte-Carlo error")
'''


DATA = """DATA = "{name}"  # the rows that it learns from: download them too, and put them beside this script
held = Path(__file__).with_name(DATA)
if not store.uploads().has("{digest}") and held.exists():
    store.uploads().put(held.read_bytes())

"""


def data_file(run: Run) -> tuple[str, bytes] | None:
    """Name and content of the data that a run's link gives by their digest, as ``.npy``; None of other runs.

    The content's SHA-256 is the one in the link.
    """
    if not run.spec.dataset.startswith(stored.PREFIX):
        return None
    _, content = stored.content_of(run.data.x, run.data.space)
    return f"data-{stored.digest_of(run.spec.dataset)[:12]}.npy", content


def script(run: Run, registry: Registry) -> str:
    """A Python program that makes the run again and says whether it is the same."""
    from ebm_plugins import __version__

    keys = {run.spec.family, run.spec.sampler, f"data:{run.spec.dataset}"}
    others = {registry.providers[k] for k in keys if k in registry.providers}
    plugins = sorted(f", {p.name} {p.version}" for p in others if p.name != "ebm-plugins")
    held = data_file(run)
    data = "" if held is None else DATA.format(name=held[0], digest=stored.digest_of(run.spec.dataset))
    return SCRIPT.format(
        imports="from pathlib import Path\n\n" if data else "",
        store=", store" if data else "",
        data=data,
        title=registry.families[run.spec.family].title.replace('"', "'").replace("\\", "/"),
        version=__version__,
        plugins="".join(dict.fromkeys(plugins)),
        spec=pprint.pformat(run.spec.as_dict(), width=100, sort_dicts=False),
        spec_digest=spec_digest(run.spec, registry),
        result_digest=result_digest(run),
        environment=environment_of(run),
        free="" if run.free is None else "[:, result.free]",
    )


def states_table(run: Run) -> dict[str, Any]:
    """The last states as columns: the chain's number, then one column a coordinate."""
    x = np.asarray(run.sampling.last)
    columns: dict[str, Any] = {"chain": np.arange(len(x))}
    return columns | {name: x[:, i] for i, name in enumerate(coordinate_names(run))}


def states_csv(run: Run) -> str:
    """The same as CSV, every number in full."""
    table = states_table(run)
    lines = [",".join(table)]
    lines += [",".join(repr(v.item()) for v in row) for row in zip(*table.values(), strict=True)]
    return "\n".join(lines) + "\n"


def coordinate_names(run: Run) -> list[str]:
    """x, y on the plane; r0c0 ... on a grid; x0, x1 ... elsewhere."""
    space = run.space
    if isinstance(space, Plane):
        return ["x", "y"]
    if isinstance(space, BinaryGrid):
        return [f"r{i // space.cols}c{i % space.cols}" for i in range(space.dim)]
    if isinstance(space, Pairs):
        return [f"left{i}" for i in range(space.left.dim)] + [f"right{i}" for i in range(space.right.dim)]
    return [f"x{i}" for i in range(space.dim)]


def params_npz(run: Run) -> bytes:
    """The last params as an npz archive, without pickle."""
    return npz(run.params)


def npz(arrays: Mapping[str, Array]) -> bytes:
    """Arrays under any names as an npz archive, without pickle (np.savez takes none that is called ``file``)."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in arrays.items():
            one = io.BytesIO()
            np.lib.format.write_array(one, np.asarray(value), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), one.getvalue(), zipfile.ZIP_DEFLATED)
    return out.getvalue()
