"""A failing part shows its error; Streamlit's own Stop and Rerun pass through."""

from __future__ import annotations

import pytest
from streamlit.runtime.scriptrunner_utils.exceptions import RerunException, StopException
from streamlit.testing.v1 import AppTest

from dashboard.boundary import boundary
from dashboard.notices import code, plain


@pytest.mark.parametrize("passing", [StopException, lambda: RerunException(None), KeyboardInterrupt])
def test_control_flow_passes_through(passing):
    error = passing()
    with pytest.raises(type(error)), boundary("x", "page"):
        raise error


def script() -> None:
    import streamlit as st

    from dashboard.boundary import boundary
    from ebm_plugins import ConfigError, PluginError

    for error in (
        PluginError("ising", "sample", "It returned shape (300,) where (300, 64) was expected."),
        ZeroDivisionError("division by *zero*"), SystemExit("bye"), ConfigError("a", "one", "two"),
    ):  # fmt: skip
        with boundary("page", "part"):
            raise error
    st.write("the end")


def test_each_error_is_a_sentence_and_the_page_goes_on():
    at = AppTest.from_function(script).run()
    assert not at.exception
    found = "\n".join(m.value for m in at.markdown)
    assert "**‘ising’ stopped in `sample`.**" in found
    assert "Everything else still works." in found
    assert r"division by \*zero\*" in found
    assert "bye" in found
    assert "Expected one, got two" in found
    assert "the end" in found
    assert len(at.expander) == 4


def test_text_from_anywhere_means_nothing():
    assert plain("[a](http://b) $x$ `c` :red[d] <b>") == r"\[a\]\(http\://b\) \$x\$ \`c\` \:red\[d\] \<b\>"
    assert code("a`b\nc") == "`a'b c`"
    assert len(code("x" * 1000)) < 100
