"""docs/api.md: its curl lines and its snippet, run against the server as they stand there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import api_server
import numpy as np
import pytest

from dashboard import api_calls, api_waits

TEXT = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
LINES = [line for block in re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()]
SNIPPET = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)[0]


@pytest.fixture(scope="module")
def home(serve: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> api_server.Home:
    return api_server.start(serve, tmp_path_factory.mktemp("docs"), EBM_API_RUNS="20")


def made(home: api_server.Home, query: str) -> Any:
    """The summary of a run, waited for."""
    caller, end = api_server.Caller(home.server.url), time.monotonic() + 60
    answer = json.loads(caller.get(f"/api/v1/runs?{query}")[2])
    while answer["state"] in ("queued", "running"):
        assert time.monotonic() < end
        time.sleep(0.1)
        answer = json.loads(caller.get(answer["status"])[2])
    return answer


def test_the_curl_lines_work(home: api_server.Home, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("no curl")
    digest = made(home, "family=langevin&sample.steps=200&start.n=100&seed=3")["digest"]
    said = []
    for line in LINES:
        env = {"HOST": home.server.url, "DIGEST": digest, "PATH": "/usr/bin:/bin", "no_proxy": "*"}
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", line], env=env, cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, (line, done.stderr, done.stdout[:300])
        said.append(done.stdout)
    assert len(LINES) == 7
    assert json.loads(said[0])["digest"] == json.loads(said[1])["digest"] == digest
    assert {m["parameter"] for m in json.loads(said[2])["mended"]} == {"sample.steps", "colour"}
    assert "HTTP/1.1 202" in said[3]
    assert {"location", "retry-after"} <= {line.split(":")[0].lower() for line in said[3].splitlines()}
    assert json.loads(said[4])["families"]
    assert np.load(tmp_path / "run.npz")["sampling/last"].shape == (100, 2)
    assert "HTTP/1.1 200" in said[6]
    assert "etag" in said[6].lower()


def test_the_snippet_waits_and_loads(home: api_server.Home, tmp_path: Path) -> None:
    assert 'HOST = "http://127.0.0.1:8501"' in SNIPPET
    program = SNIPPET.replace("http://127.0.0.1:8501", home.server.url)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "(100, 2)" in done.stdout


def test_a_stored_run_is_answered_soon_by_the_server(home: api_server.Home) -> None:
    """Over HTTP, the median of thirty: at most 100 ms."""
    query = "family=langevin&sample.steps=200&start.n=100&seed=3"
    answer = made(home, query)
    caller = api_server.Caller(home.server.url)
    for path in (f"/api/v1/runs?{query}", answer["status"], answer["npz"]):
        times = [caller.get(path)[3] for _ in range(30)]
        print(f"{path[:24]}: median {1e3 * np.median(times):.1f} ms, largest {1e3 * max(times):.1f} ms")
        assert np.median(times) <= 0.1


def test_every_route_status_and_setting_is_in_the_docs() -> None:
    for status in (202, 304, 400, 401, 404, 405, 409, 422, 429, 503):
        assert re.search(rf"\b{status}\b", TEXT), status
    for name, value in vars(api_waits.Settings()).items():
        assert re.search(rf"`EBM_API_{name.upper()}` \| {value:g} \|", TEXT), name
    assert api_calls.TOLD == 60
    for path in (
        "/api/v1/families",
        "/api/v1/runs?LINK",
        "/api/v1/runs/DIGEST`",
        "/api/v1/runs/DIGEST.npz",
        "/api/v1/openapi.json",
    ):
        assert path in TEXT
