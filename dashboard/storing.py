"""What workers keep in the store: runs, stages and figures under names that say what made them, and what was learned."""

from __future__ import annotations

import contextlib
import json
import threading
from collections import OrderedDict
from functools import cache
from pathlib import Path
from typing import Any

from ebm_plugins import packing, results, store
from ebm_plugins.digests import sha256
from ebm_plugins.plans import Plan, plan
from ebm_plugins.records import Run, Training
from ebm_plugins.registry import Registry

KEPT_TRAININGS = 4
STAGE = ".stage"
TRAINING = ".training"

_trainings: OrderedDict[str, Training] = OrderedDict()
_lock = threading.Lock()


def publish(raw: bytes, name: str = "", note: dict[str, Any] | None = None) -> dict[str, Any]:
    """Keep bytes for the server: their digest, or the bytes themselves where the store takes none."""
    kept = store.results()
    try:
        digest = kept.put(raw)
        if name:
            kept.name(name, digest, note or {})
        return {"digest": digest}
    except store.StoreError:
        return {"raw": raw}


def stored(name: str, code: str) -> bytes | None:
    """The bytes under a name, if this code made them."""
    found = store.results().found(name)
    return found[2] if found is not None and found[1].get("code") == code else None


def stage_code(code: str) -> str:
    """What a stage is found by: the code that made the run, and ours that made the stage of it."""
    return f"{code} {_stage_digest()}"


@cache
def _stage_digest() -> str:
    return sha256(Path(__file__).with_name("stage.py").read_bytes())[:12]


def keep_run(run: Run, registry: Registry, code: str) -> dict[str, Any]:
    made = plan(run.spec, registry)
    kept = publish(results.to_bytes(run), made.spec_digest, {"code": code})
    keep_training(made, run.training, kept, code)
    return {"run": kept}


def keep_training(made: Plan, training: Training, kept: dict[str, Any], code: str) -> None:
    """Let what was learned be found by whoever needs it next, in this process or another."""
    _remember(made.training_digest, training)
    if "digest" in kept and made.family.needs_data(made.train_config):
        with contextlib.suppress(store.StoreError):
            store.results().name(made.training_digest + TRAINING, kept["digest"], {"code": code})


def learned(made: Plan, code: str) -> Training | None:
    """What was learned already: in this process, or by any run that is kept."""
    key = made.training_digest
    with _lock:
        if key in _trainings:
            _trainings.move_to_end(key)
            return _trainings[key]
    raw = stored(key + TRAINING, code)
    if raw is None:
        return None
    try:
        training: Training = results.part(raw, "training")
    except packing.PackingError:
        return None
    _remember(key, training)
    return training


def _remember(key: str, training: Training) -> None:
    with _lock:
        _trainings[key] = training
        while len(_trainings) > KEPT_TRAININGS:
            _trainings.popitem(last=False)


def figure_bytes(figure: Any) -> bytes:
    """A Plotly figure as bytes: its dictionary, with arrays as arrays."""
    try:
        return packing.pack({"figure": figure.to_plotly_json()})
    except packing.PackingError:  # dates, or arrays of objects: as JSON has them
        return packing.pack({"figure": json.loads(figure.to_json())})
