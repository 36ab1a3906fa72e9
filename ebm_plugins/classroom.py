"""What may stand beside a run in its link, for whoever reads it: a lesson, a question with its answer, what is held.

``lesson=FAMILY.NAME&ask=…&answer=…&hide=NAME,NAME&lock=NAME,NAME``. None of it is part of the run: digests are the same
with and without. A held control cannot be changed by the page, but anybody can edit an address: it is no exam. The
answer is base64url so that it is not read by accident; it is no secret.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ebm_plugins.config import knobs
from ebm_plugins.lessons import find
from ebm_plugins.link_reader import Mended, short
from ebm_plugins.registry import Registry
from ebm_plugins.specs import RunSpec

WORDS = ("lesson", "ask", "answer", "hide", "lock")
MOST = 500  # characters of a question, and of an answer
MOST_NAMES = 60  # of controls in one list
CONTROLS = ("preset", "data", "sampler", "start", "seed")  # beside train.NAME and sample.NAME
PARTS = ("verdict", "truth", "training", "diagnostics", "figures", "studies", "learn", "take-it-away")
WATCHED = ("verdict", "truth")  # the parts that stay where the reader can only watch
GROUPS = ("train", "sample", "all")
Pairs = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Classroom:
    """What a link says to its reader. ``hide`` and ``lock`` are names of controls as links have them; ``hide`` may
    also name parts of the page. What is hidden is held, too: nobody would see it change.

    ``watch`` is no part of the link: it says that the page is one for watching, where nothing can be changed."""

    lesson: str = ""
    ask: str = ""
    answer: str = ""
    hide: tuple[str, ...] = ()
    lock: tuple[str, ...] = ()
    watch: bool = False

    def hides(self, name: str) -> bool:
        """Whether this control, or this part of the page, is not shown."""
        return name in self.hide or (self.watch and name not in WATCHED)

    def holds(self, name: str) -> bool:
        """Whether this control cannot be changed. A preset would change all of them, another sampler its settings."""
        held = (*self.hide, *self.lock)
        if self.watch or name in held:
            return True
        if name == "preset":
            return any(one not in PARTS for one in held)
        return name == "sampler" and any(one.startswith("sample.") for one in held)

    def breach(self, before: RunSpec, after: RunSpec) -> str:
        """The first held control in which two resolved specs differ, or an empty string."""
        held = [*self.hide, *self.lock, *(["sampler"] if replace(self, watch=False).holds("sampler") else [])]
        return next((name for name in held if _value(before, name) != _value(after, name)), "")

    def pairs(self) -> list[tuple[str, str]]:
        """As link parameters."""
        found = {
            "lesson": self.lesson,
            "ask": self.ask,
            "answer": obscure(self.answer),
            "hide": ",".join(self.hide),
            "lock": ",".join(self.lock),
        }
        return [(name, value) for name, value in found.items() if value]


def read(pairs: Pairs, spec: RunSpec, registry: Registry) -> tuple[Classroom, list[Mended]]:
    """What the parameters of a link say beside its resolved spec, and what of it could not be used."""
    given: dict[str, str] = {}
    mended: list[Mended] = []
    for name, value in pairs:
        word = name.strip().lower()
        if word in given:
            mended.append(
                Mended(word, short(value), "it is given more than once", f"the first, {short(given[word])}")
            )
        elif word in WORDS:
            given[word] = value
    found: dict[str, Any] = {}
    if given.get("lesson", "").strip():
        name = given["lesson"].strip().lower()
        if find(name, registry) is None:
            mended.append(Mended("lesson", short(name), "there is no such lesson here", "nothing"))
        else:
            found["lesson"] = name
    if "ask" in given:
        found["ask"] = _text("ask", given["ask"], mended)
    if "answer" in given:
        answer = reveal(given["answer"])
        if answer is None:
            mended.append(Mended("answer", short(given["answer"]), "expected base64url text", "nothing"))
        else:
            found["answer"] = _text("answer", answer, mended)
    if found.get("answer") and not found.get("ask"):
        mended.append(Mended("answer", short(given["answer"]), "there is no question to it", "nothing"))
        found["answer"] = ""
    known = controls(spec, registry)
    for word, names in (("hide", (*known, *PARTS)), ("lock", known)):
        if word in given:
            found[word] = _names(word, given[word], names, known, mended)
    return Classroom(**found), mended


def controls(spec: RunSpec, registry: Registry) -> tuple[str, ...]:
    """The names of the controls that a resolved spec's page has."""
    family = registry.families[spec.family]
    sampler = registry.samplers.get(spec.sampler)
    sample = sampler.config if sampler is not None else family.sample_config
    train = tuple(f"train.{k.name}" for k in knobs(family.train_config))
    return (*CONTROLS, *train, *(f"sample.{k.name}" for k in knobs(sample)))


def obscure(text: str) -> str:
    """Text as base64url: not to be read at a glance, and no secret."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def reveal(text: str) -> str | None:
    """What :func:`obscure` wrote; None for anything else. Longer ones than can be shown are not read to their end."""
    cut = text.strip()[: 16 * MOST // 4 * 4]
    try:
        raw = base64.b64decode(cut.encode("ascii") + b"=" * (-len(cut) % 4), altchars=b"-_", validate=True)
        return raw.decode("utf-8", "strict" if len(text) <= 16 * MOST else "ignore")
    except (binascii.Error, UnicodeError):
        return None


def cleaned(text: str) -> str:
    """Without control characters and empty ends; line breaks stay."""
    return "".join(c if c.isprintable() or c == "\n" else "�" for c in text.replace("\r\n", "\n")).strip()


def _text(word: str, text: str, mended: list[Mended]) -> str:
    if len(text) > MOST:
        mended.append(Mended(word, short(text), f"at most {MOST} characters are shown", f"the first {MOST}"))
    return cleaned(text[:MOST])


def _names(
    word: str, text: str, allowed: tuple[str, ...], known: tuple[str, ...], mended: list[Mended]
) -> tuple[str, ...]:
    """The names in a list that are known here; a group's name stands for all of its controls."""
    spelled = {name.lower(): name for name in allowed}
    asked = [part.strip().lower() for part in text[:10_000].split(",")]
    asked = [part for part in dict.fromkeys(asked) if part]
    if len(asked) > MOST_NAMES or len(text) > 10_000:
        mended.append(Mended(word, short(text), f"at most {MOST_NAMES} names are read", "the first ones"))
    found: dict[str, None] = {}
    for part in asked[:MOST_NAMES]:
        if part in GROUPS:
            found |= dict.fromkeys(n for n in known if part == "all" or n.startswith(f"{part}."))
        elif part in spelled:
            found[spelled[part]] = None
        else:
            mended.append(Mended(word, short(part), "there is no such control here", "nothing"))
    return tuple(found)


def _value(spec: RunSpec, name: str) -> object:
    part, _, field = name.partition(".")
    if field:
        values: Mapping[str, Any] = getattr(spec, part)
        return values.get(field)
    return {"data": spec.dataset, "sampler": spec.sampler, "start": spec.start, "seed": spec.seed}.get(name)


__all__ = [
    "CONTROLS",
    "MOST",
    "PARTS",
    "WORDS",
    "Classroom",
    "cleaned",
    "controls",
    "obscure",
    "read",
    "reveal",
]
