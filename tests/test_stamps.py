"""A copied link says what came out, and a run opened from it says whether it is the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
import toy_families as cases
from hypothesis import given
from hypothesis import strategies as st

from ebm_plugins import RunSpec, digests
from ebm_plugins import stamps as module
from ebm_plugins.link import parse, write
from ebm_plugins.runs import run, spec_digest
from ebm_plugins.stamps import compare, read_stamp, stamp

REGISTRY = cases.REGISTRY


@pytest.fixture(scope="module")
def author():
    return run(RunSpec(family="bowl"), REGISTRY)


def v_of(made):
    address = write(made.spec, REGISTRY, full=True, stamp=stamp(made))
    return dict(p.split("=", 1) for p in address.split("?")[1].split("&"))["v"], address


def test_an_opened_link_is_the_same_run_bit_for_bit(author):
    v, address = v_of(author)
    spec, mended = parse(address, REGISTRY)
    assert mended == []
    assert compare(read_stamp(v), run(spec, REGISTRY), REGISTRY).status == "same"


def test_other_settings_are_another_run(author):
    v, _ = v_of(author)
    other = run(replace(author.spec, seed=1), REGISTRY)
    assert compare(read_stamp(v), other, REGISTRY).status == "different"


def test_other_numbers_on_an_equal_machine_are_not_excused(author):
    v, _ = v_of(author)
    moved = replace(author, sampling=replace(author.sampling, last=author.sampling.last + 1e-9))
    assert compare(read_stamp(v), moved, REGISTRY).status == "different"


def test_another_machine_compares_energies_within_their_error(author, monkeypatch):
    v, _ = v_of(author)
    monkeypatch.setattr(module, "environment_tag", lambda: "0" * 12)
    same_law = replace(author, sampling=replace(author.sampling, last=author.sampling.last * (1 + 1e-6)))
    assert compare(read_stamp(v), same_law, REGISTRY).status == "close"
    far = replace(author, sampling=replace(author.sampling, last=author.sampling.last * 3))
    assert compare(read_stamp(v), far, REGISTRY).status == "different"


@given(st.one_of(st.text(max_size=80), st.from_regex(module._STAMP)))
def test_any_text_is_a_stamp_or_is_none(text):
    found = read_stamp(text)
    assert found is None or found.spec


def test_a_link_without_results_says_so(author):
    v = "0.1.0_" + spec_digest(author.spec, REGISTRY)[:16]
    assert compare(read_stamp(v), author, REGISTRY).status == "unknown"


def test_the_environment_names_what_float_results_depend_on():
    assert {"numpy", "blas", "features"} <= set(digests.environment())
