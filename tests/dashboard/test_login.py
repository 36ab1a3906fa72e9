"""Who is let in, without a browser: claims, lists, cookies, and the way back to a link."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from dashboard_tools import ask, open_page, texts
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from streamlit import auth_util
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value

from dashboard import jobs, login, wanted

SECRET, ORIGIN = "0123456789abcdef" * 4, "https://school.example"
SECTION = {"cookie_secret": SECRET, "redirect_uri": f"{ORIGIN}/oauth2callback", "client_id": "x"}
ADA = {"is_logged_in": True, "email": "Ada@School.example", "email_verified": True}
NAME = "_streamlit_user"


@pytest.fixture
def auth(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``auth(**more)`` makes a host that asks its visitors to sign in."""

    def set_up(*, authlib: bool = True, **more: Any) -> None:
        section = SECTION | more
        monkeypatch.setattr(auth_util, "get_secrets_auth_section", lambda: section)
        monkeypatch.setattr(auth_util, "is_authlib_installed", lambda: authlib)
        monkeypatch.setattr(
            "streamlit.web.server.server_util.get_cookie_secret", lambda: section["cookie_secret"]
        )

    monkeypatch.delenv(login.VARIABLE, raising=False)
    return set_up


def asking(cookies: dict[str, str]) -> HTTPConnection:
    text = "; ".join(f"{name}={value}" for name, value in cookies.items())
    return HTTPConnection({"type": "http", "headers": [(b"cookie", text.encode("latin-1"))]})


def signed(
    user: dict[str, Any], secret: str = SECRET, name: str = NAME, origin: str = ORIGIN
) -> dict[str, str]:
    return {NAME: create_signed_value(secret, name, json.dumps({**user, "origin": origin})).decode()}


def test_without_a_section_everybody_comes_in() -> None:
    assert not login.configured()
    assert login.allowed(asking({}))
    assert login.may_enter({})


def test_the_cookie_of_the_page_opens_the_other_routes_too(auth: Callable[..., None]) -> None:
    auth()
    assert login.allowed(asking(signed(ADA)))
    assert not login.allowed(asking({}))


def test_a_long_cookie_comes_in_parts(auth: Callable[..., None]) -> None:
    auth()
    cookies: dict[str, str] = {}
    auth_util.set_cookie_with_chunks(
        lambda name, value: cookies.update({name: create_signed_value(SECRET, name, value).decode()}),
        lambda name, value: create_signed_value(SECRET, name, value),
        NAME, {**ADA, "origin": ORIGIN, "about": random.Random(1).randbytes(4500).hex()}, cookie_attr_size=60,
    )  # fmt: skip
    assert len(cookies) > 2
    assert login.allowed(asking(cookies))
    cookies.pop(f"{NAME}_2")
    assert not login.allowed(asking(cookies))


@pytest.mark.parametrize(
    "cookies",
    [
        signed(ADA, secret="f" * 64),
        signed(ADA, name="_streamlit_user_tokens"),
        signed(ADA, origin="https://other.example"),
        signed(ADA | {"is_logged_in": False}),
        signed(ADA | {"is_logged_in": "yes"}),
        {NAME: ""},
        {NAME: "x.y.z"},
        {NAME: json.dumps(ADA)},
        {NAME: "é" * 40},
        {NAME: create_signed_value(SECRET, NAME, "[1]").decode()},
        {NAME: create_signed_value(SECRET, NAME, "not JSON").decode()},
        {NAME: signed(ADA)[NAME][:-2]},
    ],
)
def test_what_streamlit_did_not_sign_for_this_host_opens_nothing(
    auth: Callable[..., None], cookies: dict[str, str]
) -> None:
    auth()
    assert not login.allowed(asking(cookies))


def test_an_old_cookie_is_none(auth: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    auth()
    cookies = signed(ADA)
    now = time.time()
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: now + 40 * 86400)
    assert not login.allowed(asking(cookies))


@pytest.mark.parametrize(
    ("allowed", "user", "enters"),
    [
        ("", ADA, True),
        ("", {"is_logged_in": True}, True),
        ("ada@school.example", ADA, True),
        (" eve@x.example , ADA@school.example ", ADA, True),
        ("@school.example", ADA, True),
        ("@school.example", ADA | {"email": "ada@sub.school.example"}, False),
        ("@school.example", ADA | {"email": "ada@school.example.evil.example"}, False),
        ("@school.example", ADA | {"email": "@school.example"}, False),
        ("@school.example", ADA | {"email": None}, False),
        ("@school.example", ADA | {"email_verified": False}, False),
        ("school.example", ADA, False),
        ("ada@school.example", ADA | {"email": "xada@school.example"}, False),
        ("ada@school.example", ADA | {"is_logged_in": False}, False),
    ],
)
def test_the_hosts_list(
    auth: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    allowed: str,
    user: dict[str, Any],
    enters: bool,
) -> None:
    auth()
    monkeypatch.setenv(login.VARIABLE, allowed)
    assert login.may_enter(user) is enters


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"authlib": False}, 'pip install "ebm-plugins[login]"'),
        ({"cookie_secret": "short"}, "could be guessed"),
    ],
)
def test_where_it_is_not_set_up_well_nobody_comes_in_and_the_page_says_why(
    auth: Callable[..., None], monkeypatch: pytest.MonkeyPatch, more: dict[str, Any], says: str
) -> None:
    auth(**more)
    assert not login.allowed(asking(signed(ADA)))
    at = open_page("hopfield")
    at.user = dict(ADA)
    at.run()
    assert says in texts(at)
    assert [title.value for title in at.title] == ["Sign in"]


def test_nothing_is_run_for_a_stranger(auth: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    auth()

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("a stranger reached the engine")

    monkeypatch.setattr(jobs, "engine", never)
    for path in ("", "hopfield", "compare", "plugins", "no-such-page"):
        at = open_page(path, {"seed": "7"})
        at.context = {"url": f"{ORIGIN}/{path}"}
        at.user = {"is_logged_in": False}
        at.run()
        assert not at.exception
        assert [title.value for title in at.title] == ["Sign in"]
        assert [button.label for button in at.button] == ["Sign in"]


def test_who_signed_in_has_the_page_and_a_way_out(auth: Callable[..., None]) -> None:
    auth()
    at = open_page("plugins")
    at.user = dict(ADA)
    at.run()
    assert not at.exception
    assert "# Plugins" in texts(at)
    assert "Sign out" in [button.label for button in at.button]


def callback(signs_in: bool) -> Starlette:
    def came_back(_request: Request) -> Response:
        answer = RedirectResponse("/", 302)
        if signs_in:
            answer.set_cookie(NAME, "x")
        else:
            answer.delete_cookie(NAME)
        return answer

    routes = [Route("/oauth2callback", came_back), Route("/{path:path}", lambda _request: Response("page"))]
    return Starlette(routes=routes, middleware=[Middleware(wanted.Wanted)])


def remembered(app: Starlette, path: str, query: str = "", accept: str = "text/html") -> str:
    """The cookie that an answer sets, as a browser sends it back."""
    said = ask(app, path, query, {"accept": accept}).headers.get("set-cookie", "")
    return said.partition(";")[0]


def test_the_link_that_was_asked_for_is_where_signing_in_leads(auth: Callable[..., None]) -> None:
    auth()
    app = callback(signs_in=True)
    cookie = remembered(app, "/hopfield", "seed=7&ask=What%20%26%20why%3F&start.states=~_-")
    answer = ask(app, "/oauth2callback", "code=x&state=y", {"cookie": cookie, "accept": "text/html"})
    assert answer.headers["location"] == "/hopfield?seed=7&ask=What%20%26%20why%3F&start.states=~_-"


def test_only_a_page_is_remembered_and_only_for_a_stranger(auth: Callable[..., None]) -> None:
    app = callback(signs_in=True)
    assert remembered(app, "/hopfield") == ""  # there is no sign-in
    auth()
    assert remembered(app, "/") == ""
    assert remembered(app, "/ebm.js", accept="*/*") == ""
    assert remembered(app, "/auth/login", "provider=x") == ""
    assert remembered(app, "/hopfield", "states=" + "A" * 5000) == ""
    mine = "; ".join(f"{k}={v}" for k, v in signed(ADA).items())
    assert "set-cookie" not in ask(app, "/hopfield", "", {"accept": "text/html", "cookie": mine}).headers


@pytest.mark.parametrize(
    "place",
    [
        "//evil.example/",
        "/\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "/a b",
        "/a\r\nset-cookie: x=y",
        "",
    ],
)
def test_no_cookie_leads_away_from_here(auth: Callable[..., None], place: str) -> None:
    from urllib.parse import quote

    auth()
    app = callback(signs_in=True)
    answer = ask(app, "/oauth2callback", "", {"cookie": f"{wanted.COOKIE}={quote(place, safe='')}"})
    assert answer.headers["location"] == "/"


def test_who_was_not_let_in_is_led_nowhere(auth: Callable[..., None]) -> None:
    auth()
    app = callback(signs_in=False)
    answer = ask(app, "/oauth2callback", "", {"cookie": remembered(app, "/hopfield", "seed=7")})
    assert answer.headers["location"] == "/"
