"""Two digests: one of what was asked (equal everywhere), one of what came out (equal on equal machines)."""

from __future__ import annotations

import functools
import hashlib
import json
import platform
import weakref
from typing import Any

import numpy as np

from ebm_plugins.records import Array, Data, Params


def canonical(values: Any) -> bytes:
    """Canonical JSON: sorted keys, no spaces, no NaN."""
    return json.dumps(
        values, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_scalar
    ).encode()


def sha256(*parts: bytes) -> str:
    """Hex SHA-256 of the parts, each preceded by its length so that no two lists of parts run together."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def of_arrays(arrays: dict[str, Array | None]) -> str:
    """SHA-256 of named arrays: names, dtypes, shapes and little-endian bytes."""
    parts: list[bytes] = []
    for name in sorted(arrays):
        value = arrays[name]
        if value is None:
            continue
        array = np.ascontiguousarray(value)
        if array.dtype.kind not in "biufU":
            raise TypeError(f"{name}: expected numbers or text, got {array.dtype}")
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        parts += [name.encode(), array.dtype.str.encode(), repr(array.shape).encode(), array.tobytes()]
    return sha256(*parts)


def of_data(data: Data) -> str:
    """SHA-256 of a dataset's rows, labels, held-out part and space. Of data that cannot be written to it is taken once:
    a page asks for it at every rerun."""
    known = _digests.get(id(data))
    if known is not None:
        return known
    arrays = {"x": data.x, "labels": data.labels, "test_x": data.test_x, "test_labels": data.test_labels}
    found = sha256(of_arrays(arrays).encode(), repr(data.space).encode())
    if not any(_writable(array) for array in arrays.values()):
        _digests[id(data)] = found
        weakref.finalize(data, _digests.pop, id(data), None)
    return found


_digests: dict[int, str] = {}


def _writable(array: Array | None) -> bool:
    """Whether what it holds may change: it or what it is a view of can be written to."""
    while isinstance(array, np.ndarray):
        if array.flags.writeable:
            return True
        array = array.base
    return False


def of_result(params: Params, states: Array) -> str:
    """The result digest: SHA-256 of the last params and the last states."""
    return of_arrays(
        {**{f"params/{k}": v for k, v in params.items()}, "states": np.asarray(states, dtype=float)}
    )


@functools.cache
def environment() -> dict[str, str]:
    """What a float result depends on: versions, BLAS build and core type, NumPy's CPU features."""
    import scipy
    from threadpoolctl import threadpool_info

    from ebm_plugins import __version__, compiled

    blas = sorted(
        f"{pool.get('internal_api')} {pool.get('version')} {pool.get('architecture')}"
        for pool in threadpool_info()
        if pool.get("user_api") == "blas"
    )
    numba = compiled.version()
    return {
        "ebm-plugins": __version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        **({"numba": numba} if numba else {}),
        "machine": platform.machine(),
        "blas": ", ".join(dict.fromkeys(blas)),
        "features": _cpu_features(),
    }


def environment_tag() -> str:
    """Twelve hex digits that are equal only where :func:`environment` is."""
    return sha256(canonical(environment()))[:12]


def _cpu_features() -> str:
    from numpy._core._multiarray_umath import __cpu_features__

    return " ".join(sorted(name for name, present in __cpu_features__.items() if present))


def _scalar(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"expected plain data, got {type(value).__name__}")
