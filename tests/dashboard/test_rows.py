"""Rows chosen by their names and pictures."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from dashboard_tools import visit_of

from ebm_plugins import RunSpec, starts
from ebm_plugins.link import write
from ebm_plugins.registry import load


def test_a_row_that_is_called_like_another_is_the_one_that_is_chosen(page):
    """The article's six rows are three, twice: the fourth stays chosen when its page is drawn again."""
    spec = RunSpec(family="rbm", dataset="article-six", train={"epochs": 2}, start=starts.Data((3,), 4))
    link = write(spec, load(discover=False))
    at = page("rbm", dict(parse_qsl(urlsplit(link).query)))
    at.run()
    assert not at.exception
    assert visit_of(at, "rbm").spec.start == spec.start
