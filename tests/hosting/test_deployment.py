"""The deployment files, as far as they can be checked without a Docker engine: see 'What was run' in docs/hosting.md."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
HOSTING = ROOT / "docs" / "hosting"
# Of the Compose specification (compose-spec.json): the keys that we use, and what kind of value each takes.
SERVICE = {
    "image": str, "build": dict, "restart": str, "read_only": bool, "tmpfs": list, "cap_drop": list, "security_opt": list,
    "command": list, "environment": dict, "volumes": list, "depends_on": dict, "mem_limit": str, "networks": list,
    "healthcheck": dict, "ports": list,
}  # fmt: skip
HEALTH = {"test": list, "interval": str, "timeout": str, "retries": int, "disable": bool}
UNITS = {"k": 1e3, "m": 1e6, "g": 1e9, "kb": 1e3, "mb": 1e6, "gb": 1e9}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The file with its anchors resolved, as Compose reads it."""
    found = yaml.safe_load((HOSTING / "compose.yaml").read_text())
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def dockerfile() -> list[tuple[str, str]]:
    """Its instructions, each with its arguments on one line."""
    text = re.sub(r"\\\n\s*", " ", (HOSTING / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in (" ".join(x.split()) for x in lines)]


def size(text: str) -> float:
    """Bytes of ``1.5GB`` or ``512m``."""
    number, unit = re.fullmatch(r"([0-9.]+)\s*([a-zA-Z]+)", text).groups()  # type: ignore[union-attr]
    return float(number) * UNITS[unit.lower()]


def test_compose_has_the_shape_that_the_specification_gives(compose: dict[str, Any]) -> None:
    """Known keys, values of their kind, and no name that is not defined."""
    assert {k for k in compose if not k.startswith("x-")} <= {"name", "services", "networks", "volumes"}
    for name, service in compose["services"].items():
        for key, value in service.items():
            assert key in SERVICE, f"{name}: {key}"
            assert isinstance(value, SERVICE[key]), f"{name}: {key}"
        for key, value in service.get("healthcheck", {}).items():
            assert isinstance(value, HEALTH[key]), f"{name}: healthcheck.{key}"
        for other, how in service.get("depends_on", {}).items():
            assert other in compose["services"]
            assert how == {"condition": "service_healthy"}
            assert other in ("scheduler", "server-a", "server-b")  # each of them has a health check
        for network in service["networks"]:
            assert network in compose["networks"]
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source in compose["volumes"] or (HOSTING / source).is_file(), volume
        assert all(isinstance(word, str) for word in service.get("command", [])), f"{name}: quote numbers"
        assert service["restart"] == "always"
        size(service["mem_limit"])


def test_only_the_proxy_can_be_reached_and_on_loopback_alone(compose: dict[str, Any]) -> None:
    """A scheduler runs what it is sent by whoever reaches it."""
    published = {name: s["ports"] for name, s in compose["services"].items() if "ports" in s}
    assert set(published) == {"proxy"}
    assert all(port.startswith("127.0.0.1:") for port in published["proxy"])
    assert compose["networks"]["inside"]["internal"] is True
    for name, service in compose["services"].items():
        assert ("outside" in service["networks"]) == (name == "proxy")


def test_the_servers_believe_the_proxy_who_is_calling(
    compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else every caller of the JSON routes has the proxy's address, and one takes the room of all.

    uvicorn is made as Streamlit makes it; it believes the network of the Compose file, and nobody outside of it.
    """
    import asyncio
    import ipaddress

    import uvicorn
    from streamlit.web.server.starlette.starlette_server import _get_uvicorn_config_kwargs

    (network,) = compose["networks"]["inside"]["ipam"]["config"]
    believed = {
        compose["services"][one]["environment"]["FORWARDED_ALLOW_IPS"] for one in ("server-a", "server-b")
    }
    assert believed == {network["subnet"]}
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", network["subnet"])
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["client"][0])

    config = uvicorn.Config(app, **_get_uvicorn_config_kwargs())
    config.load()
    proxy = str(ipaddress.ip_network(network["subnet"])[5])
    for peer in (proxy, "172.31.98.5"):
        said = [(b"x-forwarded-for", b"10.9.9.9, 198.51.100.7")]  # the first is what the visitor made up
        scope = {"type": "http", "client": (peer, 1), "scheme": "http", "headers": said}
        asyncio.run(config.loaded_app(scope, None, None))  # type: ignore[arg-type]
    assert seen == ["198.51.100.7", "172.31.98.5"]


def test_the_proxy_knows_the_servers_by_their_names(compose: dict[str, Any]) -> None:
    """nginx.conf's upstream are services of the compose file, at the port that the image serves."""
    named = re.findall(r"^\s+server ([\w-]+):(\d+) ", (HOSTING / "nginx.conf").read_text(), re.MULTILINE)
    assert len(named) == 2
    for name, port in named:
        assert compose["services"][name]["command"][:3] == ["streamlit", "run", "dashboard"]
        assert port == "8501"
    limit = re.search(r"client_max_body_size (\d+)m;", (HOSTING / "nginx.conf").read_text())
    from ebm_plugins.file_limits import MOST_BYTES

    assert limit is not None
    assert MOST_BYTES < int(limit[1]) * 1024 * 1024 < 1.2 * MOST_BYTES


def test_the_commands_are_ones_that_dask_takes(compose: dict[str, Any]) -> None:
    """Parsed by Dask's own command line; a worker's limit leaves room below its container's."""
    from distributed.cli import dask_scheduler, dask_worker

    for name, service in compose["services"].items():
        if service.get("command", [""])[0] != "dask":
            continue
        _, which, *rest = service["command"]
        command = {"scheduler": dask_scheduler.main, "worker": dask_worker.main}[which]
        context = command.make_context(which, list(rest), resilient_parsing=False)
        if which == "worker":
            assert context.params["nthreads"] == 1
            assert size(context.params["memory_limit"]) < 0.9 * size(service["mem_limit"])
            assert context.params["dashboard_address"] == "127.0.0.1:0"
            assert urlsplit(context.params["scheduler"]).hostname in compose["services"], name
        else:
            assert context.params["dashboard_address"].startswith("127.0.0.1:")


def test_dask_is_set_as_for_workers_of_our_own(compose: dict[str, Any]) -> None:
    """The variables that the scheduler and the workers are given say what dashboard/cluster.py says of its own."""
    cluster = pytest.importorskip("dashboard.cluster", reason="runs are threads of the server here")
    import dask

    given: dict[str, str] = {}
    for service in compose["services"].values():
        given |= {k: v for k, v in service.get("environment", {}).items() if k.startswith("DASK_")}
    said = dask.config.collect_env(given)
    assert given
    for key, value in cluster.SETTINGS.items():
        assert dask.config.get(key, default=value, config=said) == value, key
    for key in ("scheduler.allowed-failures", "worker.memory.spill", "worker.memory.terminate"):
        assert dask.config.get(f"distributed.{key}", default=None, config=said) is not None, key
    workers = [s for s in compose["services"].values() if s.get("command", [])[:2] == ["dask", "worker"]]
    assert workers
    assert all("--preload=dashboard.worker_setup" in one["command"] for one in workers)


def test_every_setting_of_streamlit_exists(
    compose: dict[str, Any], dockerfile: list[tuple[str, str]]
) -> None:
    """A misspelt STREAMLIT_ variable would pass without a word."""
    from streamlit import config

    known = {
        "STREAMLIT_" + re.sub(r"(?<=[a-z])(?=[A-Z])|\.", "_", key).upper()
        for key in config.get_config_options()
    }
    text = " ".join(arguments for kind, arguments in dockerfile if kind == "ENV")
    used = set(re.findall(r"\b(STREAMLIT_\w+)=", text))
    for service in compose["services"].values():
        used |= {k for k in service.get("environment", {}) if k.startswith("STREAMLIT_")}
    assert used
    assert used <= known


def test_the_image_copies_what_is_there_and_runs_as_nobody_special(dockerfile: list[tuple[str, str]]) -> None:
    """Known instructions; sources that exist and are all that the project needs; another user than root at the end."""
    kinds = [kind for kind, _ in dockerfile]
    assert set(kinds) <= {
        "FROM",
        "ENV",
        "WORKDIR",
        "COPY",
        "RUN",
        "USER",
        "VOLUME",
        "EXPOSE",
        "HEALTHCHECK",
        "CMD",
    }
    assert dockerfile[0] == ("FROM", "python:3.11-slim")
    copied = [word for kind, a in dockerfile if kind == "COPY" for word in a.split()[:-1]]
    for source in copied:
        assert (ROOT / source).exists(), source
    assert {
        "requirements.txt",
        "pyproject.toml",
        "README.md",
        "ebm_plugins",
        "dashboard",
        ".streamlit",
    } <= set(copied)
    users = [a for kind, a in dockerfile if kind == "USER"]
    assert users == ["ebm"]
    assert kinds.index("USER") > max(i for i, kind in enumerate(kinds) if kind == "RUN")
    assert json.loads(next(a for kind, a in dockerfile if kind == "CMD")) == ["streamlit", "run", "dashboard"]


def test_the_health_check_tells_a_server_from_none(dockerfile: list[tuple[str, str]], server: Any) -> None:
    """The very command of the HEALTHCHECK line, run against a server and against a port without one."""
    line = next(a for kind, a in dockerfile if kind == "HEALTHCHECK")
    command = json.loads(line[line.index("CMD ") + 4 :])
    assert command[0] == "python"

    def ends(port: str) -> int:
        env = os.environ | {"STREAMLIT_SERVER_PORT": port}
        return subprocess.run(
            [sys.executable, *command[1:]], env=env, capture_output=True, timeout=30
        ).returncode

    assert ends(str(urlsplit(server.url).port)) == 0
    assert ends("9") != 0


def test_the_schedulers_health_check_is_python(compose: dict[str, Any]) -> None:
    """It compiles: nothing but a running scheduler would otherwise tell."""
    kind, program, flag, text = compose["services"]["scheduler"]["healthcheck"]["test"]
    assert (kind, program, flag) == ("CMD", "python", "-c")
    compile(text, "healthcheck", "exec")


def test_nothing_of_the_tests_is_sent_to_the_engine() -> None:
    """The ignore file lies where Docker looks for it: beside the Dockerfile, under its name."""
    lines = (HOSTING / "Dockerfile.dockerignore").read_text().split()
    assert {".git", "tests", ".streamlit/secrets.toml"} <= set(lines)
    assert "EOF" not in lines


def test_the_space_has_the_front_matter_that_docker_spaces_need() -> None:
    """``sdk: docker`` and the port that the image serves."""
    _, front, body = (HOSTING / "space.md").read_text().split("---\n", 2)
    said = yaml.safe_load(front)
    assert said["sdk"] == "docker"
    assert said["app_port"] == 8501
    assert len(said["short_description"]) <= 60  # longer ones are refused
    assert "STREAMLIT_SERVER_COOKIE_SECRET" in body


def test_the_pins_are_within_the_ranges() -> None:
    """What a host installs is what the project says it runs with, and all of the dashboard's needs are pinned."""
    import tomllib

    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    ranges = [
        Requirement(r) for r in [*project["dependencies"], *project["optional-dependencies"]["dashboard"]]
    ]
    lines = [shlex.split(x, comments=True) for x in (ROOT / "requirements.txt").read_text().splitlines()]
    pins = dict(line[0].split("==") for line in lines if len(line) == 1 and "==" in line[0])
    for wanted in ranges:
        name = wanted.name.lower()
        assert name in pins, f"{name} is not pinned in requirements.txt"
        assert wanted.specifier.contains(pins[name]), f"{name}=={pins[name]} is not {wanted.specifier}"


def test_the_settings_table_is_that_of_the_program() -> None:
    """docs/hosting.md names every setting with its default and meaning (but for what depends on the machine)."""
    from dashboard.limits import table

    text = (ROOT / "docs" / "hosting.md").read_text()
    for name, default, about in table():
        row = next((line for line in text.splitlines() if line.startswith(f"| `{name}` |")), None)
        assert row is not None, f"docs/hosting.md has no row for {name}"
        assert about in row
        if name != "EBM_WORKERS":  # one a core, up to four
            assert f"| `{default}` |" in row or not default, row
