"""Signing in by OIDC, in Chromium, with a provider of our own: the way in, the way out, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import oidc_provider
import pytest
from browser_tools import STAGE, Visitor, until
from pages import settle

pytestmark = pytest.mark.browser

SIGN_IN = "[data-testid=stButton] button"
TITLE = "[data-testid=stHeading] h1"
WANTED = "hopfield?seed=5"


@pytest.fixture(scope="module")
def provider() -> Iterator[oidc_provider.Provider]:
    with oidc_provider.running() as made:
        yield made


@pytest.fixture(scope="module")
def guarded(provider: Any, serve: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The dashboard, for those of one school."""
    secrets = tmp_path_factory.mktemp("secrets") / "secrets.toml"
    secrets.write_text(provider.secrets_toml())
    env = {
        "EBM_PLUGINS": "",
        "EBM_LOGIN_ALLOW": "@school.example",
        "EBM_LOG": "json",
        "NO_PROXY": "127.0.0.1",
    }
    return serve(options=(f"--secrets.files={secrets}",), env=env)


@pytest.fixture
def stranger(browser: Any, guarded: Any, provider: Any) -> Iterator[Visitor]:
    provider.wrong, provider.claims = "", {"email": "ada@school.example", "email_verified": True}
    one = Visitor(browser, guarded.url)
    yield one
    one.leave()


def titled(page: Any, title: str) -> None:
    page.wait_for_function(f"(title) => document.querySelector('{TITLE}')?.innerText === title", arg=title)


def test_not_signed_in_signed_in_page_signed_out(stranger: Visitor, provider: Any, guarded: Any) -> None:
    page = stranger.open(WANTED, TITLE)
    titled(page, "Sign in")
    page.locator(SIGN_IN).wait_for()
    settle(page)
    assert page.locator(SIGN_IN).count() == 1
    assert page.locator(STAGE).count() == 0
    assert page.locator("[data-testid=stTopNavLink]").count() == 0
    assert page.get_by_text("Page not found").count() == 0
    page.locator(SIGN_IN).click()
    page.wait_for_selector(STAGE)
    assert page.url == f"{guarded.url}/{WANTED}", "the address that was asked for"
    cookies = {c["name"]: c for c in stranger.context.cookies()}
    assert cookies["_streamlit_user"]["httpOnly"]
    page.get_by_role("button", name="Sign out").click()
    titled(page, "Sign in")
    until(lambda: "_streamlit_user" not in {c["name"] for c in stranger.context.cookies()}, page=page)
    log = guarded.log.read_text()
    assert '"event": "login", "outcome": "signed in"' in log
    assert "ada" not in log
    assert stranger.faults == []


@pytest.mark.parametrize("wrong", ["nonce", "signature", "audience", "state"])
def test_what_the_provider_gets_wrong_lets_nobody_in(stranger: Visitor, provider: Any, wrong: str) -> None:
    provider.wrong = wrong
    page = stranger.open("", TITLE)
    titled(page, "Sign in")
    before = provider.asked
    page.locator(SIGN_IN).wait_for()
    page.evaluate("() => { window.before = true; }")
    page.locator(SIGN_IN).click()
    page.wait_for_function("() => !window.before")  # it was there and has come back
    titled(page, "Sign in")
    page.locator(SIGN_IN).wait_for()
    assert provider.asked == before + 1
    assert "_streamlit_user" not in {c["name"] for c in stranger.context.cookies()}


@pytest.mark.parametrize(
    "claims",
    [
        {"email": "eve@elsewhere.example", "email_verified": True},
        {"email": "eve@school.example", "email_verified": False},
        {"email": "eve@school.example.elsewhere.example"},
        {},
    ],
)
def test_who_is_not_on_the_list_sees_no_page(
    stranger: Visitor, provider: Any, claims: dict[str, Any]
) -> None:
    provider.claims = claims
    page = stranger.open("", TITLE)
    titled(page, "Sign in")
    page.locator(SIGN_IN).click()
    page.get_by_text("is not among them").wait_for()
    assert page.locator(STAGE).count() == 0
    page.get_by_role("button", name="Sign in as somebody else").click()
    page.get_by_text("who have signed in").wait_for()


def test_a_cookie_that_somebody_made_is_none(stranger: Visitor, guarded: Any) -> None:
    stranger.context.add_cookies(
        [{"name": "_streamlit_user", "value": "eyJlbWFpbCI6ICJhIn0.x.y", "url": guarded.url}]
    )
    page = stranger.open(WANTED, TITLE)
    titled(page, "Sign in")
    page.get_by_text("who have signed in").wait_for()


def test_in_a_frame_the_way_to_sign_in_is_the_whole_page(stranger: Visitor) -> None:
    page = stranger.open(f"{WANTED}&embed=true", TITLE)
    titled(page, "Sign in")
    page.get_by_role("link", name="Open the whole page").wait_for()
    assert page.locator(SIGN_IN).count() == 0
