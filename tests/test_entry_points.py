"""Installed packages are found one by one, whatever the others did to their metadata or do when imported."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ebm_plugins import Registry, load


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Put a distribution on the path by hand: what pip would leave, without pip."""
    monkeypatch.delenv("EBM_PLUGINS", raising=False)

    def one(
        distribution: str, entries: str, folder: str = "site", version: str = "1.0", **modules: str
    ) -> Path:
        site = tmp_path / folder
        info = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(entries)
        for name, text in modules.items():
            (site / f"{name}.py").write_text(text)
            monkeypatch.delitem(sys.modules, name, raising=False)
        monkeypatch.syspath_prepend(str(site))
        return site

    return one


def module(key: str) -> str:
    return (
        "import numpy as np\nfrom ebm_plugins import BinaryGrid, Family, NoConfig, hookimpl\n"
        "def f(*args): yield\n@hookimpl\ndef register_families():\n"
        f"    yield Family(key={key!r}, title='T', summary='S', accepts=(BinaryGrid,), energy=f, train=f, sample=f,\n"
        "                 train_config=NoConfig, sample_config=NoConfig)\n"
    )


def third(*allow: str) -> Registry:
    return load(allow, builtins=())


def said(found: Registry) -> list[tuple[str, str, str]]:
    return [(f.plugin, f.stage, f.message) for f in found.failures]


def test_entry_points_are_found_and_allowed_by_either_name(
    install: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("My-Dist", "[ebm_plugins]\nmine = mine_x\n", version="4.2", mine_x=module("mine"))
    for allow in (("mine",), ("my_dist",), ("MY.DIST",)):
        found = third(*allow)
        assert (found.providers["mine"].name, found.providers["mine"].version) == ("My-Dist", "4.2")
        assert Path(found.providers["mine"].file).name == "mine_x.py"
        assert found.failures == ()
    assert "mine" in load(builtins=()).families
    assert "mine" not in load(builtins=(), discover=False).families
    assert "mine" not in third().families
    for value, there in (("", False), ("other", False), (" other , mine ", True)):
        monkeypatch.setenv("EBM_PLUGINS", value)
        assert ("mine" in load(builtins=()).families) is there
    assert "mine" in third("mine").families, "the argument goes before the variable"
    with pytest.raises(TypeError, match="several names"):
        load("mine", builtins=())


def test_built_ins_come_before_entry_points(install: Any) -> None:
    install("aaa", "[ebm_plugins]\naaa = aaa_x\n", aaa_x=module("taken"), zzz_x=module("taken"))
    found = load(["aaa"], builtins=["zzz_x"])
    assert found.providers["taken"].module == "zzz_x"
    assert found.failures[0].plugin == "aaa"


def test_a_copy_further_down_the_path_does_not_count(install: Any) -> None:
    install("twice", "[ebm_plugins]\ntwice = twice_x\n", folder="old", version="1.0", twice_x=module("twice"))
    install("twice", "[ebm_plugins]\ntwice = twice_x\n", folder="new", version="2.0", twice_x=module("twice"))
    found = third("twice")
    assert found.providers["twice"].version == "2.0"
    assert found.failures == ()


@pytest.mark.parametrize(
    ("entries", "text", "message"),
    [
        ("[ebm_plugins]\nbad = nowhere_x\n", "", "Its module ‘nowhere_x’ cannot be found."),
        (
            "[ebm_plugins]\nbad = bad_x:plugin\n",
            "",
            "AttributeError: module 'bad_x' has no attribute 'plugin'",
        ),
        (
            "[ebm_plugins]\nbad = bad_x:plugin\n",
            "plugin = None",
            "Its entry point is None, where a module was",
        ),
        ("[ebm_plugins]\nbad = bad_x\n", "def :", "SyntaxError: invalid syntax"),
        (
            "[ebm_plugins]\nbad = bad_x\n",
            "raise SystemExit",
            "It asked the whole program to exit (code None)",
        ),
        (
            "[ebm_plugins]\nbad = bad_x\n",
            "import nowhere_y.z",
            "It needs the module ‘nowhere_y’, which is not",
        ),
        ("[ebm_plugins]\nbad = bad_x\n", "raise GeneratorExit", "GeneratorExit: "),
    ],
)
def test_imports_that_fail(entries: str, text: str, message: str, install: Any) -> None:
    install("bad", entries, bad_x=text)
    install("good", "[ebm_plugins]\ngood = good_x\n", folder="good", good_x=module("good"))
    found = third("bad", "good")
    assert list(found.families) == ["good"]
    ((plugin, stage, text),) = said(found)
    assert (plugin, stage) == ("bad", "import")
    assert text.startswith(message)


def test_damaged_metadata_costs_only_its_own_distribution(install: Any) -> None:
    install("damaged", "no section here\n[ebm_plugins]\n= = =\n\x00", folder="damaged")
    install("good", "[ebm_plugins]\ngood = good_x\n", folder="good", good_x=module("good"))
    assert list(third("good").families) == ["good"]


def test_a_taken_plugin_name_names_both_distributions(install: Any) -> None:
    install("first", "[ebm_plugins]\nsame = first_x\n", folder="a", first_x=module("first"))
    install("second", "[ebm_plugins]\nsame = second_x\n", folder="b", second_x=module("second"))
    found = third("same")
    assert list(found.families) == ["first"]
    assert said(found) == [
        (
            "same",
            "registration",
            "The plugin name ‘same’ is already taken by first 1.0 (first_x); second 1.0 has to choose another "
            "entry-point name.",
        )
    ]
