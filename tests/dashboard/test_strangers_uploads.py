"""Tampered files through the page's own uploader: looked at or refused in a line, and never an exception.

(A name with a zero byte, or of an ending that the uploader does not offer, comes from no browser. Streamlit itself
stops the session that sends one, before any script of ours: nobody else sees it.)
"""

from __future__ import annotations

import os
from pathlib import Path

import mutations
import pytest
from streamlit.testing.v1 import AppTest

from ebm_plugins import store

COUNT = 200 if os.environ.get("EBM_SLOW") else 24
FAMILIES = ("hopfield", "langevin", "rbm")


def dialog(family):
    from dashboard import links, own_data
    from ebm_plugins import load
    from ebm_plugins.plans import plan

    registry = load(discover=False)
    visit = links.visit(family, registry)
    own_data._dialog(visit, plan(visit.spec, registry), registry, "opened")


def test_tampered_files_in_the_dialog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One visitor a family, who gives one file after the other. What is used is kept in the store, and nowhere else."""
    monkeypatch.setenv(store.FOLDER, str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    pages = {
        family: AppTest.from_function(dialog, args=(family,), default_timeout=60).run() for family in FAMILIES
    }
    looked = refused = used = 0
    for number, (done, name, raw) in enumerate(mutations.uploads(31, COUNT, parquet=0.04)):
        name = name.replace("\x00", "")
        at = pages[FAMILIES[number % 3]]
        at.file_uploader[0].set_value((name, raw, "application/octet-stream"))
        at.run()
        assert not at.exception, (done, name[:80], at.exception[0].value)
        text = "\n".join(m.value for m in at.markdown)
        assert "Traceback" not in text
        button = [b for b in at.button if b.label == "Use these data"]
        looked += bool(button)
        refused += "xpected" in text and not button
        assert button or "xpected" in text, (done, name[:80], text[:500])
        if button and looked % 2:
            button[0].click()
            at.run()
            assert not at.exception, (done, at.exception[0].value)
            used += 1
    assert looked >= COUNT / 10
    assert refused >= COUNT / 4
    assert used
    outside = [p for p in tmp_path.rglob("*") if p.is_file() and (tmp_path / "store") not in p.parents]
    assert not outside
