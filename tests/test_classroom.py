"""What a link says to its reader beside the run: read back as written, hostile values named, digests untouched."""

from __future__ import annotations

import base64
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from ebm_plugins import load, starts
from ebm_plugins.classroom import MOST, PARTS, Classroom, controls, obscure, read, reveal
from ebm_plugins.link import parse, write
from ebm_plugins.runs import resolve, spec_digest

REGISTRY = load(discover=False)
SPEC = resolve(REGISTRY.families["langevin"].presets["MALA removes the bias"], REGISTRY)
ROOM = Classroom(
    lesson="langevin.accept-or-refuse",
    ask="Warum\nist $x$ <b>hier</b>? ∑ & =",
    answer="Weil … 42 %",
    hide=("seed", "verdict"),
    lock=("train.landscape", "sample.step_size"),
)


def test_it_is_read_back_as_it_was_written_and_is_no_part_of_the_run() -> None:
    for full in (False, True):
        address = write(SPEC, REGISTRY, full=full)
        joined = f"{address}{'&' if '?' in address else '?'}{urlencode(ROOM.pairs())}"
        spec, mended = parse(joined, REGISTRY)
        assert (spec, mended) == (SPEC, [])
        assert spec_digest(spec, REGISTRY) == spec_digest(SPEC, REGISTRY)
        assert read(parse_qsl(urlsplit(joined).query), spec, REGISTRY) == (ROOM, [])
    assert read([], SPEC, REGISTRY) == (Classroom(), [])
    assert Classroom().pairs() == []


def test_the_answer_cannot_be_read_at_a_glance() -> None:
    address = urlencode(ROOM.pairs())
    assert "Weil" not in address
    assert reveal(obscure("Weil … 42 %")) == "Weil … 42 %"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"lesson": "langevin.nothing"}, "there is no such lesson here"),
        ({"lesson": "x" * 100_000}, "there is no such lesson here"),
        ({"ask": "q" * 100_000}, f"at most {MOST} characters are shown"),
        ({"ask": "q", "answer": "???"}, "expected base64url text"),
        (
            {"ask": "q", "answer": base64.urlsafe_b64encode(b"\xff\xfe\xfd").decode()},
            "expected base64url text",
        ),
        ({"ask": "q", "answer": obscure("a" * 100_000)}, f"at most {MOST} characters are shown"),
        ({"answer": obscure("a")}, "there is no question to it"),
        ({"hide": "nonsense"}, "there is no such control here"),
        ({"lock": "verdict"}, "there is no such control here"),
        ({"lock": "train.<b>,seed"}, "there is no such control here"),
        ({"hide": ",".join(f"n{i}" for i in range(100_000))}, "at most 60 names are read"),
    ],
)
def test_what_cannot_be_used_is_named(given: dict[str, str], named: str) -> None:
    room, mended = read(list(given.items()), SPEC, REGISTRY)
    assert named in [one.reason for one in mended]
    assert all(len(one.given) <= 61 for one in mended)
    assert len(room.ask) <= MOST
    assert len(room.answer) <= MOST
    assert parse({k: v for k, v in given.items()}, REGISTRY, "langevin")[1] == []


def test_a_word_that_comes_twice_is_named_and_the_first_counts() -> None:
    room, mended = read([("ask", "one"), ("ASK", "two")], SPEC, REGISTRY)
    assert room.ask == "one"
    assert [one.reason for one in mended] == ["it is given more than once"]


def test_control_characters_are_shown_as_such() -> None:
    room, _ = read([("ask", " a\x00b\u202ec\r\nd ")], SPEC, REGISTRY)
    assert room.ask == "a�b�c\nd"


def test_groups_stand_for_their_controls() -> None:
    names = controls(SPEC, REGISTRY)
    room, mended = read([("lock", "TRAIN, seed"), ("hide", "all")], SPEC, REGISTRY)
    assert mended == []
    assert room.lock == (*(n for n in names if n.startswith("train.")), "seed")
    assert room.hide == names
    assert not set(names) & set(PARTS)


def test_what_is_held_cannot_be_changed_by_any_way_round() -> None:
    held = Classroom(lock=("sample.step_size", "start"), hide=("seed",))
    assert held.holds("seed")
    assert held.holds("preset")  # it would change all of them
    assert held.holds("sampler")  # another one has other settings
    assert not held.holds("data")
    changes = {
        "seed": replace(SPEC, seed=99),
        "start": replace(SPEC, start=starts.Noise(n=7)),
        "sample.step_size": replace(SPEC, sample={**SPEC.sample, "step_size": 0.1}),
        "sampler": resolve(replace(SPEC, sampler="hmc", sample={"step_size": 0.6}), REGISTRY),
    }
    for name, after in changes.items():
        assert held.breach(SPEC, after) == name
    assert held.breach(SPEC, replace(SPEC, sample={**SPEC.sample, "steps": 50})) == ""
    assert Classroom(hide=("verdict", "truth")).holds("preset") is False
