"""The Plugins page: who brought what, what was left out at which stage and why, and an example that works."""

from __future__ import annotations

import importlib.util
import tomllib

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.app_pages import plugins as page
from ebm_plugins import Dataset, Family, NoConfig, Plane, Sampler
from ebm_plugins.records import Failure
from ebm_plugins.registry import GROUP, Provider, Registry, load


def family(key, title):
    """A family that no page will ever run."""
    return Family(
        key=key,
        title=title,
        summary="A stranger.",
        accepts=(Plane,),
        energy=lambda params, x: (x**2).sum(axis=1),
        train=lambda data, config, rng: iter(()),
        sample=lambda params, config, rng, x: iter(()),
        train_config=NoConfig,
        sample_config=NoConfig,
    )


def a_registry(failures=()):
    """Two distributions that nobody knows, with a family, a sampler and a dataset."""
    sampler = Sampler(
        key="amble",
        title="Amble",
        summary="Slow.",
        accepts=(Plane,),
        config=NoConfig,
        sample=lambda *a: iter(()),
    )
    data = Dataset(key="amble", title="Dust", summary="Little.", space=Plane(), load=lambda: None)
    return Registry(
        families={"zog": family("zog", "Zog"), "quux": family("quux", "Quux *bold* [x](y)")},
        samplers={"amble": sampler},
        datasets={"amble": data},
        providers={
            "zog": Provider("first-house", "1.2", "first_house"),
            "quux": Provider("second-house", "0.3", "second_house.models"),
            "amble": Provider("second-house", "0.3", "second_house.samplers"),
            "data:amble": Provider("first-house", "1.2", "first_house"),
        },
        failures=tuple(failures),
    )


def opened(registry):
    """The page, run over a registry."""

    def script(registry):
        from dashboard.app_pages.plugins import plugins

        plugins(registry)

    test = AppTest.from_function(script, kwargs={"registry": registry}, default_timeout=20).run()
    assert not test.exception
    return test


def said(test):
    return "\n".join(element.value for element in test.markdown)


def test_each_distribution_says_what_it_brought():
    """Names, versions and records, under whoever brought them, and never under another."""
    found = {b.name: b for b in page.providers(a_registry())}
    assert list(found) == ["first-house", "second-house"]
    assert [f.key for f in found["first-house"].families] == ["zog"]
    assert [d.title for d in found["first-house"].datasets] == ["Dust"]
    assert [s.title for s in found["second-house"].samplers] == ["Amble"]
    text = said(opened(a_registry()))
    for expected in (
        "first\\-house",
        "`1.2`",
        "second\\-house",
        "`0.3`",
        "1 sampler: Amble",
        "1 dataset: Dust",
    ):
        assert expected in text
    assert "Left out" not in text


def test_families_are_links_to_their_pages():
    """One link a family, to its key, with its title shown and not rendered."""
    links = opened(a_registry()).get("page_link")
    assert [link.proto.page for link in links] == ["zog", "quux"]
    assert links[1].proto.label == "Quux \\*bold\\* \\[x\\]\\(y\\)"


@pytest.mark.parametrize("stage", ["import", "registration", "collection", "admission", "preset", "drawing"])
def test_a_failure_shows_stage_message_and_traceback(stage):
    """Whatever stage a plugin failed at: its name, the stage, the message and the whole traceback are there."""
    failure = Failure("bad-apple", stage, "It asked for <the> moon_shot.", "Traceback: line 1\nMoonError")
    test = opened(a_registry([failure]))
    text = said(test)
    assert "‘bad\\-apple’ stopped at `" + stage + "`" in text
    assert "It asked for \\<the\\> moon\\_shot." in text
    assert any(block.value == "Traceback: line 1\nMoonError" for block in test.code)
    assert test.expander[0].label == "Traceback"
    assert "first\\-house" in text


def test_a_real_broken_plugin_is_shown_beside_the_good_ones():
    """A module that is not there, through the real loader: stage and message arrive on the page."""
    registry = load(builtins=["ebm_plugins.datasets", "no_such_plugin_anywhere"], discover=False)
    text = said(opened(registry))
    assert "‘no\\_such\\_plugin\\_anywhere’ stopped at `import`" in text
    assert "Two moons" in text


def test_the_example_on_the_page_is_a_working_plugin(tmp_path):
    """What the page shows is run as it stands: it registers a family whose sampler yields states."""
    (tmp_path / "my_plugin.py").write_text(page.example())
    spec = importlib.util.spec_from_file_location("my_plugin", tmp_path / "my_plugin.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (made,) = module.register_families()
    assert isinstance(made, Family)
    x = next(made.sample({}, NoConfig(), np.random.default_rng(0), np.zeros((5, 2)))).value
    assert x.shape == (5, 2)
    assert page.example() in [block.value for block in opened(a_registry()).code]


def test_the_entry_point_shown_is_the_one_that_is_looked_for():
    """The group in the snippet is the group that the registry reads."""
    assert tomllib.loads(page.ENTRY_POINT)["project"]["entry-points"] == {GROUP: {"my_plugin": "my_plugin"}}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "Every plugin that is installed"),
        ("", "no plugin of a third party"),
        ("a, b", "no others: a, b."),
    ],
)
def test_the_allow_list_in_words(value, expected, monkeypatch):
    """Unset, empty, or a list: the page says which plugins may load."""
    assert expected in page.allow_list(value)
    monkeypatch.delenv("EBM_PLUGINS", raising=False)
    if value is not None:
        monkeypatch.setenv("EBM_PLUGINS", value)
    assert page.plain(expected) in said(opened(a_registry()))
