"""What a host can set: named when it cannot be used, and one table for the docs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dashboard import limits
from ebm_plugins.records import ConfigError

ROOT = Path(__file__).resolve().parents[2]


def test_what_the_environment_says_is_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EBM_RUN_SECONDS", "7.5")
    monkeypatch.setenv("EBM_RUN_MEMORY_MB", " 512 ")
    monkeypatch.setenv("EBM_RUNS_PER_VISITOR", "")  # nothing said
    found = limits.settings()
    assert (found.run_seconds, found.run_memory_mb, found.runs_per_visitor) == (7.5, 512, 2)
    assert (found.run.seconds, found.run.memory) == (7.5, 512e6)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EBM_RUN_SECONDS", "soon"),
        ("EBM_RUN_SECONDS", "nan"),
        ("EBM_RUN_SECONDS", "inf"),
        ("EBM_RUN_SECONDS", "-1"),
        ("EBM_WORKERS", "2.5"),
        ("EBM_WORKERS", "0"),
        ("EBM_UPLOAD_MB", "1e9"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as caught:
        limits.settings()
    assert caught.value.field == name
    assert value in str(caught.value.got)


def test_no_plugins_is_not_all_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EBM_PLUGINS", "")
    assert limits.settings().plugins == ""
    monkeypatch.delenv("EBM_PLUGINS")
    assert limits.settings().plugins is None


def asked(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT)},
    )


def test_secrets_say_the_same_and_the_environment_goes_first(tmp_path: Path) -> None:
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "secrets.toml").write_text(
        '[ebm]\nrun_seconds = 9\nworkers = 3\nlog = "json"\n'
    )
    code = (
        "import os; os.environ['EBM_WORKERS'] = '1'\n"
        "from dashboard.limits import settings; s = settings()\n"
        "print(s.run_seconds, s.workers, s.log, os.environ['EBM_LOG'])"
    )
    assert asked(tmp_path, code).stdout.split() == ["9.0", "1", "json", "json"]


def test_secrets_are_read_before_anything_asks_for_a_setting(tmp_path: Path) -> None:
    """Who may frame us, whose plugins load and what is logged are settled before there is an engine."""
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "secrets.toml").write_text(
        '[ebm]\nframe_ancestors = "https://school.example"\nplugins = ""\nlog = "json"\nlogin_allow = "@school.example"\n'
    )
    code = (
        "import os\n"
        "from dashboard import headers, login, streamlit_app\n"
        "print(headers.frame_ancestors(), repr(os.environ['EBM_PLUGINS']))\n"
        "print([one.kwargs for one in streamlit_app.web.middleware() if 'ancestors' in one.kwargs])\n"
        "print(login.listed({'email': 'ada@college.example'}))"
    )
    done = asked(tmp_path, code)
    assert done.stdout.splitlines() == [
        "('https://school.example',) ''",
        "[{'ancestors': ('https://school.example',)}]",
        "False",
    ], done.stderr
    assert '"event": "server starts"' in done.stderr


def test_a_value_that_cannot_be_used_ends_the_server_with_a_line(tmp_path: Path) -> None:
    done = asked(
        tmp_path, "import os; os.environ['EBM_WORKERS'] = 'many'\nfrom dashboard import streamlit_app"
    )
    assert done.returncode == 1
    assert "EBM_WORKERS: expected a whole number from 1 to 256, got 'many'" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_setting_that_there_is_not_stops_the_server_by_name(tmp_path: Path) -> None:
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "secrets.toml").write_text("[ebm]\nrun_secnods = 9\n")
    done = asked(tmp_path, "from dashboard.limits import settings; settings()")
    assert done.returncode != 0
    assert "run_secnods" in done.stderr
