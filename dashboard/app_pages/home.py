"""Home: from energy to probability on a line, why the sum is hard, and a way into every family."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence

import streamlit as st

from dashboard import embed
from dashboard.app_pages import home_address
from dashboard.app_pages.gallery import gallery
from dashboard.app_pages.home_address import Ignored
from dashboard.boundary import boundary
from dashboard.fragments import fragment
from dashboard.notices import code, notice, plain, plural, small
from dashboard.plot import Setting, cost, wells
from dashboard.plot.heights import across, room
from dashboard.timeline import timeline
from ebm_plugins import sampling_cost, wells1d
from ebm_plugins.registry import Registry

FORMULAS = r"""$p(x) = \dfrac{e^{-E(x)/T}}{Z}$ &emsp; $\displaystyle Z = \int e^{-E(x)/T}\,dx$"""
SETTING, IGNORED = "home: setting", "home: ignored"  # as it is now, and what in the address was of no use
WELLS = "home.wells"
MEASURE = 800  # pixels, the longest line of text
LANDSCAPE, COST = (550, 1100), (300, 500)  # pixels, on a wide page and on a narrow one
NUMBERS = (
    "No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve",
    "Thirteen", "Fourteen", "Fifteen", "Sixteen", "Seventeen", "Eighteen", "Nineteen",
)  # fmt: skip
TENS = ["Twenty", "Thirty", "Forty", "Fifty", "Sixty", "Seventy", "Eighty", "Ninety"]


def home(registry: Registry) -> None:
    """The page. Where it is embedded, the wells alone: they move in the browser."""
    if embed.is_embedded():
        embed.whole_page("home whole")
        fragment(alive)
        return
    fragment(alive)
    st.space("large")
    with boundary("home", "cost"):
        hard()
    dated = [family.lens.year for family in registry.families.values() if family.lens]
    if dated:
        st.space("large")
        years = max(0, datetime.date.today().year - min(dated))
        st.markdown(f"## {spelt(years)} {'year' if years == 1 else 'years'} of avoiding *Z*")
        with boundary("home", "timeline"):
            timeline(registry.families, key="home.timeline")
    if any(family.presets for family in registry.families.values()):
        st.space("large")
        st.markdown("## Start from something alive")
        with boundary("home", "gallery"):
            gallery(registry)


def alive() -> None:
    """The part that runs again when a well was moved, and nothing else."""
    with boundary("home", "landscape"):
        landscape()


def landscape() -> None:
    """Title, words and the wells."""
    read_address()
    st.markdown("# Low energy, high probability")
    with st.container():
        show_ignored()
    words, formulas = st.columns([800, 376], gap="large", vertical_alignment="center")
    words.markdown(
        "An energy-based model gives every *x* one number, its energy *E*(*x*): low for what it expects to see, high for "
        "the rest. Turn the energies upside down, divide by their total *Z*, and they are probabilities. Here *x* is a "
        f"number between −{wells1d.BOX:g} and {wells1d.BOX:g}. Move the wells and watch."
    )
    formulas.container(key="home formula").markdown(FORMULAS)
    with st.container(key=room("home landscape", *LANDSCAPE)):
        wells(st.session_state[SETTING], key=WELLS, on_change=moved)


def hard() -> None:
    """What happens to the sum when the line becomes a picture."""
    st.markdown("## Why this is hard")
    st.container(width=MEASURE, key=across("home hard", MEASURE)).markdown(
        f"On the line above, *Z* took {wells1d.POINTS} evaluations of *E*. Every further axis multiplies that number by "
        f"{wells1d.POINTS}: a picture has an axis a pixel. A sampler never adds up the whole space. It walks where "
        "the probability is, and what it pays grows slowly. Every model here is a way round that one sum."
    )
    with st.container(key=room("home cost", *COST)):
        cost(key="home.cost")
    sampler = (
        f"The sampler is {sampling_cost.METHOD}, begun at x\u00a0=\u00a00, on d independent axes, each with the wells that "
        f"this page opens with, at T\u00a0=\u00a01. Counted are evaluations of the energy and of its gradient until the mean "
        f"energy is known to within ±\u00a0{sampling_cost.ERROR:g} (root mean square over repeated runs). It yields "
        "averages, not *Z* itself."
    )
    with st.container(width=MEASURE, key=across("home sampler", MEASURE)):
        small(sampler)


def read_address() -> None:
    """Once a visit: the setting from the address, and by name whatever in it could not be used."""
    if SETTING not in st.session_state or WELLS not in st.session_state:
        query = {name: st.query_params.get_all(name) for name in st.query_params}
        st.session_state[SETTING], st.session_state[IGNORED] = home_address.read(query)


def show_ignored() -> None:
    """One gray notice, a line for each value of the address that could not be used."""
    ignored = st.session_state.get(IGNORED, [])
    if ignored:
        verb = "was" if len(ignored) == 1 else "were"
        lines = "".join(f"\n\n{line}" for line in mended(ignored))
        notice("info", f"{plural(len(ignored), 'value')} in the link {verb} changed.", lines)


def mended(ignored: Sequence[Ignored]) -> Iterator[str]:
    """A line for each of the first twenty values that could not be used."""
    for name, given, reason, used in ignored[:20]:
        end = "so it is left out" if not used else f"so {code(used) if len(used) < 9 else used} is used"
        end = end.replace(" wells is used", " wells are used")
        yield f"{code(f'{name}={given}', 90)}: {plain(reason)}, {end}."
    if len(ignored) > 20:
        yield f"And {len(ignored) - 20} more."


def moved(setting: Setting) -> None:
    """The reader's new setting: kept, and written into the address."""
    st.session_state[SETTING], st.session_state[IGNORED] = setting, []
    st.query_params.from_dict(home_address.write(setting))


def spelt(number: int) -> str:
    """A number below a hundred in words, capitalised."""
    if number < 20:
        return NUMBERS[number]
    if number > 99:
        return str(number)
    tens, ones = divmod(number, 10)
    return TENS[tens - 2] + (f"-{NUMBERS[ones].lower()}" if ones else "")
