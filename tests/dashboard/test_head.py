"""What is put into the head of every page names files that the installed Streamlit really has."""

from __future__ import annotations

import re

from dashboard import head


def test_the_letters_are_asked_for_before_a_title_is_drawn_in_others() -> None:
    assert len(head.fonts()) == len(head.FONTS)
    named = re.findall(r'href="\./static/((?:js|media)/[^"]+)"', head.markup().decode())
    assert {f"media/{name}" for name in head.fonts()} <= set(named)
    assert all((head.static() / name).is_file() for name in named)
