"""Schemathesis against the running server: whatever it makes of the description, the answers are as described."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import api_server
import pytest

CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "unsupported_method", "allow_header_conformance",
)  # fmt: skip
# Not among them: that bad values are refused and good ones taken. A link's bad values are mended, which is said.


@pytest.fixture(scope="module")
def home(serve: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> api_server.Home:
    """A run that is asked for here is left soon, so that fuzzing leaves no queue behind."""
    folder = tmp_path_factory.mktemp("fuzzed")
    return api_server.start(serve, folder, EBM_API_RUNS="6", EBM_API_PATIENCE="3", EBM_RUN_SECONDS="5")


@pytest.mark.parametrize(
    "examples", [pytest.param(25, id="short"), pytest.param(1000, id="long", marks=pytest.mark.slow)]
)
def test_every_answer_is_as_described(home: api_server.Home, examples: int, tmp_path: Path) -> None:
    """The description's own examples, its bounds, values beyond them, and sequences along its links."""
    pytest.importorskip("schemathesis", reason="pip install schemathesis (it is in the extra [test])")
    if examples > 100 and not os.environ.get("EBM_SLOW"):
        pytest.skip("the long form: EBM_SLOW=1")
    run = "from schemathesis.cli import schemathesis; schemathesis()"
    done = subprocess.run(
        [sys.executable, "-c", run, "run", f"{home.server.url}/api/v1/openapi.json", "--checks", ",".join(CHECKS),
         "--max-examples", str(examples), "--seed", "8", "--generation-deterministic",
         "--continue-on-failure", "--no-color", "--request-timeout", "30"],
        capture_output=True, text=True, cwd=tmp_path, timeout=3600,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    cases = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert cases is not None, done.stdout[-2000:]
    assert cases[1] == cases[2]
    assert int(cases[1]) > 10 * examples  # of four operations and their links
    assert "Tested: 4" in done.stdout  # the fifth is the description itself: test_api_schema.py
    assert "Traceback" not in home.log()
    assert api_server.Caller(home.server.url).get("/health")[0] == 200
