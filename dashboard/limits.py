"""What a host can set, in one place: each setting is an environment variable, or a value of ``[ebm]`` in
``.streamlit/secrets.toml`` under the same name without ``EBM_``, in small letters.

``python -m dashboard.limits`` prints the table with what is in force. A value that cannot be used stops the server as
it starts, by name. The variables reach worker processes too, since those inherit the environment.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

from ebm_plugins import runs
from ebm_plugins import store as stores
from ebm_plugins.records import ConfigError

PREFIX, SECTION = "EBM_", "ebm"
SECRETS = (Path(".streamlit") / "secrets.toml", Path.home() / ".streamlit" / "secrets.toml")


def _said(default: Any, about: str, low: float = 0.0, high: float = 1e15) -> Any:
    return field(default=default, metadata={"about": about, "low": low, "high": high})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that a host can set; field ``run_seconds`` is the variable ``EBM_RUN_SECONDS``."""

    run_seconds: float = _said(
        120.0, "Seconds that one run may take; it then ends with what it has", 1, 86_400
    )
    run_updates: float = _said(2e9, "States × steps × coordinates of one run's sampling", 1)
    run_snapshots: int = _said(20_000, "Snapshots of one phase of a run", 1, 10_000_000)
    run_memory_mb: int = _said(
        1024, "Memory that one run may take, beside what a worker has before it", 64, 1e6
    )
    run_silence: float = _said(10.0, "Seconds without a snapshot after which a run is ended", 0.1, 3600)
    workers: int = _said(min(os.cpu_count() or 2, 4), "Worker processes of the embedded cluster", 1, 256)
    dask_address: str = _said("", "Address of a Dask scheduler to use in place of the embedded cluster")
    runs_per_visitor: int = _said(2, "Runs of one visitor that are computed at the same time", 1, 1000)
    waiting_per_visitor: int = _said(24, "Runs of one visitor that may wait", 1, 10_000)
    waiting_in_all: int = _said(400, "Runs of all visitors that may wait", 1, 100_000)
    api_runs: int = _said(4, "Runs that one caller of the JSON routes may wait for at a time", 1, 10_000)
    api_patience: float = _said(
        60.0, "Seconds without a question after which a run that the JSON routes began is ended", 0.05, 86_400
    )
    kept_mb: int = _said(128, "Finished runs that the server keeps in memory", 1, 1e6)
    store: str = _said("", "Folder or fsspec URL of uploads and results (empty: the user's cache folder)")
    store_mb: float = _said(stores.USUAL[stores.MEGABYTES], "Uploads that are kept, together", 1, 1e9)
    store_days: float = _said(
        stores.USUAL[stores.DAYS], "Days after its last use until an upload goes", 0.001, 1e5
    )
    results_mb: float = _said(
        stores.USUAL[stores.RESULT_MEGABYTES], "Stored results that are kept, together", 1, 1e9
    )
    results_days: float = _said(
        stores.USUAL[stores.RESULT_DAYS], "Days after its last use until a result goes", 0.001, 1e5
    )
    upload_mb: int = _said(
        20, "One upload; Streamlit's own server.maxUploadSize, 20 in .streamlit/config.toml, holds too", 1, 20
    )
    plugins: str | None = _said(
        None, "Third-party plugins that may load, separated by commas; empty: none; unset: all"
    )
    frame_ancestors: str = _said("self", "Who may show the pages in a frame: self, none, or origins")
    login_allow: str = _said(
        "", "E-mail addresses or @domains that may sign in where [auth] is set (empty: all)"
    )
    log: str = _said("", "json: one line of JSON an event on standard error; text: one to be read; else none")

    @property
    def run(self) -> runs.Limits:
        """What one run may take, as :func:`ebm_plugins.execute` has it."""
        return runs.Limits(
            seconds=self.run_seconds,
            updates=self.run_updates,
            snapshots=self.run_snapshots,
            memory=self.run_memory_mb * 1e6,
        )


def settings() -> Settings:
    """What is in force. Raises ConfigError, whose field is the variable, for a value that cannot be used."""
    _from_secrets()
    given: dict[str, Any] = {}
    for one in fields(Settings):
        raw = os.environ.get(variable(one.name))
        if raw is not None and (raw.strip() or one.name == "plugins"):
            given[one.name] = _value(one, raw.strip())
    return Settings(**given)


def check() -> None:
    """End the start of a server in one line where a setting cannot be used; put what secrets.toml says in force."""
    try:
        settings()
    except ConfigError as error:
        raise SystemExit(f"{error.field}: expected {error.expected}, got {error.got}.") from None


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


def _value(one: Any, raw: str) -> Any:
    if not isinstance(one.default, int | float):
        return raw
    low, high = one.metadata["low"], one.metadata["high"]
    whole = isinstance(one.default, int)
    expected = f"a {'whole ' if whole else ''}number from {low:g} to {high:g}"
    try:
        value = float(raw)
    except ValueError:
        raise ConfigError(variable(one.name), expected, repr(raw[:40])) from None
    if not low <= value <= high or (whole and value != int(value)):
        raise ConfigError(variable(one.name), expected, raw[:40])
    return int(value) if whole else value


@cache
def _from_secrets() -> None:
    """Put what secrets.toml says into the environment, where that does not say otherwise. Raises ConfigError."""
    for path in SECRETS:
        try:
            section = tomllib.loads(path.read_text(encoding="utf-8")).get(SECTION, {})
        except OSError:
            continue
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(str(path), "a TOML file", f"one that cannot be read ({error})") from error
        known = {one.name for one in fields(Settings)}
        for name, value in section.items():
            if name not in known:
                raise ConfigError(f"[{SECTION}] {name}", "one of " + ", ".join(sorted(known)), name)
            os.environ.setdefault(variable(name), str(value))


def table() -> list[tuple[str, str, str]]:
    """(variable, default, meaning) of every setting, as the docs print it."""
    return [
        (variable(one.name), "" if one.default is None else f"{one.default}", one.metadata["about"])
        for one in fields(Settings)
    ]


def main() -> None:
    """Print every setting, what it means and what is in force."""
    check()
    now = settings()
    for (name, _, about), one in zip(table(), fields(Settings), strict=True):
        print(f"{name:26} {getattr(now, one.name)!s:>12}  {about}")


if __name__ == "__main__":
    main()
