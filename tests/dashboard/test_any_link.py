"""Any query string renders a page and names what it ignored."""

from __future__ import annotations

import os
import string

from dashboard_tools import open_page, texts, visit_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

EXAMPLES = 2000 if os.environ.get("EBM_SLOW") else 100
NAMES = [
    "data", "preset", "sampler", "seed", "start", "start.n", "start.rows", "start.kind", "start.amount", "start.free",
    "start.states", "stop", "v", "family", "train.epochs", "train.rate", "train.pick", "train.width", "train.tilt",
    "sample.steps", "sample.step_size", "sample.temperature", "sample.every", "SAMPLE.STEPS", "train.", "start.",
]  # fmt: skip
VALUES = [
    "", "0", "-1", "1e999", "nan", "inf", "9" * 400, "true", "lamps", "flatland", "amble", "noise", "drawn", "corrupted",
    "data", "0,1,2", ",,,", "AAAA", "../../etc/passwd", "<script>alert(1)</script>", "`$x$`", "[a](http://b)", "\x00",
    "😀" * 50, "%00", "{}", "__proto__", "None", "x" * 5000,
]  # fmt: skip
NAME = st.one_of(st.sampled_from(NAMES), st.text(string.printable, min_size=1, max_size=12))
VALUE = st.one_of(
    st.sampled_from(VALUES), st.text(max_size=20), st.integers().map(str), st.floats().map(repr)
)
SESSIONS: dict[str, AppTest] = {}
QUERY = st.dictionaries(NAME, st.one_of(VALUE, st.lists(VALUE, min_size=2, max_size=3)), max_size=5)


@settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(family=st.sampled_from(["dish", "bulbs"]), query=QUERY)
def test_any_query_string_renders_and_names_what_it_ignored(three, family, query):
    from ebm_plugins import link

    at = SESSIONS.setdefault(family, open_page(family))  # one visitor who edits the address again and again
    at.query_params.clear()
    for name, value in query.items():
        at.query_params[name] = value
    at.run()
    assert not at.exception
    shown = texts(at)
    assert f"‘{family}’ stopped in `page`" not in shown
    visit = visit_of(at, family)
    assert visit is not None
    as_lists = {k: v if isinstance(v, list) else [v] for k, v in query.items()}
    _, mended = link.parse(as_lists, registry_of(), family)
    assert {m.parameter for m in visit.mended} == {m.parameter for m in mended}
    if visit.mended:
        assert "in the link" in shown
    unknown = {k for k in query if k.strip().lower() not in {n.lower() for n in NAMES}}
    for name in unknown:
        assert any(m.parameter == link.short(name.strip().lower()) for m in visit.mended), name


def registry_of():
    from dashboard import jobs

    return jobs.engine().registry
