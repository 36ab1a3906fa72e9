"""One sentence in a box: the verdict, a refusal, a failure, a mended link. An icon and a word, never colour alone."""

from __future__ import annotations

import re
from html import escape

import streamlit as st

ICONS = {
    "good": ":green[:material/check_circle:]",
    "warn": ":yellow[:material/warning:]",
    "bad": ":red[:material/error:]",
    "info": ":gray[:material/info:]",
}


def notice(status: str, head: str, text: str = "", *, key: str | None = None) -> None:
    """A bordered box with an icon, a bold head and a sentence or two, both Markdown.

    ``status`` is one of good, warn, bad, info.
    """
    with st.container(border=True, key=key):
        st.markdown(f"{ICONS.get(status, ICONS['info'])} **{head}** {text}".rstrip())


def small(text: str) -> None:
    """Small print. (``st.caption`` fades to a contrast below 4.5.)"""
    st.markdown(f":small[:gray[{text}]]")


def heading(text: str) -> None:
    """A heading of the second level that is heard and not seen, with the room between sections: for a part of a page
    that looks like one by itself, so that whoever goes by headings finds it.
    """
    hidden = "position:absolute;width:1px;height:1px;margin:0;padding:0;overflow:hidden;clip-path:inset(50%)"
    st.html(f'<div style="height:1.5rem"><h2 style="{hidden}">{escape(text)}</h2></div>')


def error_line(text: str) -> None:
    """What is wrong with the control above, in one line."""
    st.markdown(f":small[:red[:material/error: {text}]]")


def plain(text: object, limit: int = 300) -> str:
    """Text from anywhere as Markdown that shows it and means nothing: no links, images, LaTeX or directives."""
    shown = " ".join(str(text).split())
    if len(shown) > limit:
        shown = shown[:limit] + "…"
    return re.sub(r"([\\`*_{}\[\]()<>#+!|$~:&^=-])", r"\\\1", shown)


def code(text: object, limit: int = 60) -> str:
    """Text from anywhere as an inline code span."""
    shown = " ".join(str(text).split()).replace("`", "'")
    if len(shown) > limit:
        shown = shown[:limit] + "…"
    return f"`{shown}`" if shown else "(nothing)"


def powers(text: str) -> str:
    """``2.0e+09`` as 2.0 × 10⁹."""
    digits = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")

    def nicer(found: re.Match[str]) -> str:
        return f"{found[1]} × 10{str(int(found[2])).translate(digits)}"

    return re.sub(r"(\d(?:\.\d+)?)e([+-]\d+)", nicer, text)


def expected(wanted: str, got: object) -> str:
    """What was expected of a value, and what came."""
    text = " ".join(str(got).split())
    came = plain(powers(text)) if " " in text else code(text)
    return f"Expected {plain(powers(wanted))}, got {came}."


def plural(count: int, one: str, many: str | None = None) -> str:
    """``3 values``, ``1 value``."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def spelled(count: int, one: str, many: str | None = None) -> str:
    """``Three values``, to begin a sentence with; numerals from ten on."""
    words = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")
    text = plural(count, one, many)
    return text.replace(str(count), words[count], 1) if 0 <= count < len(words) else text
