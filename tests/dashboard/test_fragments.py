"""A page stays whole when a part of it is asked for again before the browser has heard of the page."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest, app_test


def page() -> None:
    """A page with a part of its own in the middle."""
    import streamlit as st

    from dashboard.fragments import fragment

    def part() -> None:
        st.button("again")
        st.markdown("inside")

    st.markdown("before")
    fragment(part)
    st.markdown("after")


def bare_page() -> None:
    """The same with Streamlit's own fragment."""
    import streamlit as st

    st.markdown("before")
    st.fragment(lambda: st.button("again"))()
    st.markdown("after")


def unsent(script: Any, monkeypatch: pytest.MonkeyPatch) -> set[tuple[int, ...]]:
    """Where the elements stand that a browser still hears of, if the part is asked for again before any was sent."""
    runners: list[Any] = []

    class Kept(app_test.LocalScriptRunner):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            runners.append(self)

    monkeypatch.setattr(app_test, "LocalScriptRunner", Kept)
    test = AppTest.from_function(script, default_timeout=20).run()
    assert not test.exception
    queue = runners[-1].forward_msg_queue
    asked = {m.delta.fragment_id for m in queue._queue if m.HasField("delta") and m.delta.fragment_id}
    assert len(asked) == 1
    queue.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=list(asked))
    return {tuple(m.metadata.delta_path) for m in queue._queue if m.HasField("delta")}


def holes(places: set[tuple[int, ...]]) -> set[tuple[int, ...]]:
    """The places before which something is missing: a browser refuses what stands there."""
    return {p for p in places if p[-1] and (*p[:-1], p[-1] - 1) not in places}


def test_a_part_that_is_asked_for_again_leaves_no_hole(monkeypatch: pytest.MonkeyPatch) -> None:
    assert holes(unsent(page, monkeypatch)) == set()


def test_streamlits_own_fragment_leaves_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or else Streamlit has mended it, and the container can go."""
    assert holes(unsent(bare_page, monkeypatch)) == {(0, 2)}
