"""Lessons by name: how a link says which lesson it opens. The name stands beside the run and is no part of it."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ebm_plugins.records import Family, Lesson
    from ebm_plugins.registry import Registry

MAX_NAME = 60


def name_of(lesson: Lesson) -> str:
    """A lesson's name within its family: its title in lowercase ASCII letters, digits and hyphens."""
    letters = unicodedata.normalize("NFKD", lesson.title).lower()
    plain = "".join(c for c in letters if not unicodedata.combining(c))
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:MAX_NAME].strip("-")


def known_as(family: Family, lesson: Lesson) -> str:
    """A lesson's name in a link, ``FAMILY.NAME``: the family that teaches it, which need not be the one that runs."""
    return f"{family.key}.{name_of(lesson)}"


def find(name: str, registry: Registry) -> tuple[Family, Lesson] | None:
    """The lesson that a link names, with the family that teaches it; None where there is no such lesson."""
    key, _, wanted = name.strip().lower().partition(".")
    family = registry.families.get(key)
    for lesson in family.lessons if family is not None else ():
        if name_of(lesson) == wanted:
            return family, lesson  # type: ignore[return-value]
    return None
