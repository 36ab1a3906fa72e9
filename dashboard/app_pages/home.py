"""Home: from energy to probability on a line, why the sum is hard, and a way into every family."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator

import streamlit as st

from dashboard.app_pages import home_charts
from dashboard.app_pages.gallery import gallery
from dashboard.boundary import boundary
from dashboard.notices import code, notice, plain, plural
from dashboard.plot import figure
from dashboard.timeline import timeline
from ebm_plugins import wells1d
from ebm_plugins.config import Knob
from ebm_plugins.registry import Registry

SETTINGS = (
    Knob(
        name="temperature",
        kind="float",
        default=1.0,
        ge=0.2,
        le=3.0,
        title="Temperature T",
        help="High: all energies become alike. Low: the deepest well takes everything.",
    ),
    Knob(
        name="left",
        kind="float",
        default=3.0,
        ge=0.0,
        le=4.0,
        title="Depth, left well",
        help="How far the energy dips at x = −2. At 0 there is no well.",
    ),
    Knob(
        name="right",
        kind="float",
        default=2.0,
        ge=0.0,
        le=4.0,
        title="Depth, right well",
        help="How far the energy dips at x = 1.6. At 0 there is no well.",
    ),
)
STEPS = {"temperature": 0.05, "left": 0.1, "right": 0.1}
FORMULAS = (  # LaTeX, and the width that it takes in pixels
    (r"{p(x) = \dfrac{e^{-E(x)/T}}{Z}}", 150),
    (r"{Z = \displaystyle\int e^{-E(x)/T}\,dx \vphantom{\dfrac{e^{-E(x)/T}}{Z}}}", 170),
)
BEGAN, IGNORED = "home: began", "home: ignored"  # where the sliders began, and what in the address was no use
NUMBERS = (
    "No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve",
    "Thirteen", "Fourteen", "Fifteen", "Sixteen", "Seventeen", "Eighteen", "Nineteen",
)  # fmt: skip
TENS = ["Twenty", "Thirty", "Forty", "Fifty", "Sixty", "Seventy", "Eighty", "Ninety"]


def home(registry: Registry) -> None:
    """The page."""
    alive()
    st.space("large")
    hard()
    dated = [family.lens.year for family in registry.families.values() if family.lens]
    if dated:
        st.space("large")
        years = max(0, datetime.date.today().year - min(dated))
        st.markdown(f"### {spelt(years)} {'year' if years == 1 else 'years'} of avoiding $Z$")
        with boundary("home", "timeline"):
            timeline(registry.families, key="home.timeline")
    if any(family.presets for family in registry.families.values()):
        st.space("large")
        st.markdown("### Start from something alive")
        with boundary("home", "gallery"):
            gallery(registry)


@st.fragment
def alive() -> None:
    """The part that the sliders redraw, and nothing else."""
    with boundary("home", "landscape"):
        landscape()


def landscape() -> None:
    """Title, sliders and the three charts."""
    read_address()
    st.markdown("# Low energy, high probability")
    show_ignored()
    words, controls = st.columns([476, 700], gap="large", vertical_alignment="bottom")
    with words:
        st.markdown(
            "An energy-based model scores every possible thing with one number. Give low energy to what you have "
            "seen, high energy to the rest, and a density follows:"
        )
        with st.container(horizontal=True, gap="small"):
            for formula, width in FORMULAS:  # KaTeX comes late: the places are kept, and wrap as wholes
                st.container(height=64, width=width, border=False).markdown(f"${formula}$")
    with controls, st.container(border=True):
        for knob, column in zip(SETTINGS, st.columns(3, gap="medium"), strict=True):
            assert knob.ge is not None
            assert knob.le is not None
            column.slider(
                knob.title,
                knob.ge,
                knob.le,
                st.session_state[BEGAN][knob.name],
                step=STEPS[knob.name],
                key=slot(knob.name),
                help=knob.help,
                on_change=write_address,
            )
    values = [float(st.session_state[slot(knob.name)]) for knob in SETTINGS]
    solved = wells1d.solve(*values)
    first, second, third = st.columns(3, gap="medium")
    with first:
        st.markdown("##### 1 · Energy")
        fig, alt = home_charts.energy(solved)
        figure(fig, key="home.energy", height=230, alt=alt)
        small("You choose it: any function will do.")
    with second:
        st.markdown("##### 2 · Boltzmann weight")
        fig, alt = home_charts.weight(solved)
        figure(fig, key="home.weight", height=230, alt=alt)
        beyond = (
            f" {home_charts.percent(solved.outside)} of it lies beyond the picture."
            if solved.outside >= 0.005
            else ""
        )
        small(
            f"Turn it upside down: $e^{{-E/T}}$. The area below is $Z = {home_charts.tex(solved.partition)}$.{beyond}"
        )
    with third:
        st.markdown("##### 3 · Probability")
        fig, alt = home_charts.probability(solved)
        figure(fig, key="home.probability", height=230, alt=alt)
        small(f"Divide by $Z$, and the area is 1: {home_charts.split(solved)}.")


def hard() -> None:
    """What happens to the sum when the line becomes a picture."""
    with st.container(border=True):
        words, chart = st.columns([330, 830], gap="large", vertical_alignment="center")
        with words:
            st.markdown("### Why this is hard")
            st.markdown(
                f"On a line, $Z$ took {wells1d.POINTS} evaluations. With 200 points an axis, a 3 × 3 picture already "
                "needs $200^9$. The dotted line counts the atoms in the universe. Every model here is a way round "
                "that one sum."
            )
        with chart:
            fig, alt = home_charts.cost()
            figure(fig, key="home.cost", height=200, alt=alt)


def read_address() -> None:
    """Once a visit: the sliders from the address, and by name whatever in it could not be used."""
    if slot(SETTINGS[0].name) not in st.session_state:
        ignored, began = [], {}
        known = {knob.name: knob for knob in SETTINGS}
        for name in st.query_params:
            given = st.query_params.get_all(name)
            if name not in known:
                ignored.append((name, given[-1], "this page has no such setting", ""))
            elif len(given) > 1:
                ignored.append((name, given[-1], "it is given more than once", f"{known[name].default:g}"))
        for knob in SETTINGS:
            texts = st.query_params.get_all(knob.name)
            value = knob.default
            if len(texts) == 1:
                try:
                    value = knob.decode(texts[0])
                except ValueError:
                    ignored.append((knob.name, texts[0], f"expected {knob.expected()}", f"{knob.default:g}"))
            began[knob.name] = float(value)
        # Not written into the sliders' own state: a run that is cut short would then leave them at their ends.
        st.session_state[BEGAN], st.session_state[IGNORED] = began, ignored


def show_ignored() -> None:
    """One gray notice, a line for each value of the address that could not be used."""
    ignored = st.session_state.get(IGNORED, [])
    if ignored:
        verb = "was" if len(ignored) == 1 else "were"
        lines = "".join(f"\n\n{line}" for line in mended(ignored))
        notice("info", f"{plural(len(ignored), 'value')} in the link {verb} changed.", lines)


def mended(ignored: list[tuple[str, str, str, str]]) -> Iterator[str]:
    """A line for each of the first twenty values that could not be used."""
    for name, given, reason, used in ignored[:20]:
        end = f"so {code(used)} is used" if used else "so it is left out"
        yield f"{code(f'{name}={given}', 90)}: {plain(reason)}, {end}."
    if len(ignored) > 20:
        yield f"And {len(ignored) - 20} more."


def write_address() -> None:
    """The settings that are not at their defaults, into the address."""
    st.session_state[IGNORED] = []
    values = {knob.name: float(st.session_state[slot(knob.name)]) for knob in SETTINGS}
    st.query_params.from_dict(
        {
            k.name: k.encode(round(values[k.name], 6))
            for k in SETTINGS
            if not math.isclose(values[k.name], k.default)
        }
    )


def slot(name: str) -> str:
    """A slider's key in the session."""
    return f"home: {name}"


def small(text: str) -> None:
    """Small print that may hold LaTeX."""
    st.markdown(f":small[:gray[{text}]]")


def spelt(number: int) -> str:
    """A number below a hundred in words, capitalised."""
    if number < 20:
        return NUMBERS[number]
    if number > 99:
        return str(number)
    tens, ones = divmod(number, 10)
    return TENS[tens - 2] + (f"-{NUMBERS[ones].lower()}" if ones else "")
