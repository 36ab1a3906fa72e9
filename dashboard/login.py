"""Who may see the pages: everybody, unless ``.streamlit/secrets.toml`` has a section ``[auth]``.

With one, Streamlit's own OIDC login stands before every page, and the same signed cookie before the JSON routes
(:func:`allowed`). ``EBM_LOGIN_ALLOW`` names who of those that the provider knows may come in: e-mail addresses, and domains
as ``@school.example``, with commas between them; empty for all of them.

A refusal is made before anything is run. Without Authlib, or with a cookie secret that could be guessed, nobody comes
in and the page says why.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import streamlit as st
from streamlit import auth_util

from dashboard import embed, limits, logs
from dashboard.notices import error_line, notice, plain, small

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

VARIABLE = limits.variable("login_allow")
SHORTEST = 32  # characters of a cookie secret
INSTALL = 'pip install "ebm-plugins[login]"'
SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


def configured() -> bool:
    """Whether the host asks visitors to sign in."""
    return bool(auth_util.get_secrets_auth_section())


def problem() -> str:
    """Why nobody can be let in, for whoever set it up; nothing where all is well."""
    if not auth_util.is_authlib_installed():
        return f"Sign-in is set up here, but the package for it is not installed. Run `{INSTALL}` and start the server again."
    if len(str(auth_util.get_secrets_auth_section().get("cookie_secret", ""))) < SHORTEST:
        return (
            f"Sign-in is set up here, but `cookie_secret` in the section `[auth]` has fewer than {SHORTEST} characters: it "
            "could be guessed. Give it a long random text and start the server again."
        )
    return ""


def listed(user: Mapping[str, Any]) -> bool:
    """Whether the host's list lets this user in. An address that its provider calls unverified is on no list."""
    allowed = [one.strip().lower() for one in limits.settings().login_allow.split(",") if one.strip()]
    if not allowed:
        return True
    email = str(user.get("email") or "").strip().lower()
    name, at, domain = email.rpartition("@")
    if not (name and at and domain) or user.get("email_verified") in (False, "false"):
        return False
    return email in allowed or f"@{domain}" in allowed


def may_enter(user: Mapping[str, Any]) -> bool:
    """Whether somebody with these claims may see a page."""
    return not configured() or (not problem() and user.get("is_logged_in") is True and listed(user))


def allowed(request: HTTPConnection) -> bool:
    """The same for a request beside the pages, by the cookie that Streamlit signed when its visitor signed in.

    It is taken for as long as Streamlit takes it (30 days), and only where it was made for this host's own address.
    """
    if not configured():
        return True
    from streamlit.web.server.server_util import get_cookie_secret
    from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value
    from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

    secret = get_cookie_secret()

    def signed(name: str) -> bytes | None:
        value = request.cookies.get(name)
        return decode_signed_value(secret, name, value) if value else None

    try:
        user = json.loads(auth_util.get_cookie_with_chunks(signed, USER_COOKIE_NAME) or b"{}")
    except ValueError:
        return False
    origin = auth_util.get_origin_from_redirect_uri()
    return isinstance(user, dict) and origin is not None and user.get("origin") == origin and may_enter(user)


def passed() -> bool:
    """Whether this visitor may see the page. If not, the sign-in page has been drawn in its place."""
    user: Mapping[str, Any] = dict(st.user) if configured() else {}
    if may_enter(user):
        if user:
            _said("signed in")
        return True
    _gate(user)
    return False


def sign_out() -> None:
    """At the end of a page, for whoever signed in."""
    if not configured():
        return
    with st.container(
        horizontal=True, horizontal_alignment="right", vertical_alignment="center", key="signed in"
    ):
        small(plain(str(dict(st.user).get("email") or "Signed in")))
        st.button("Sign out", type="tertiary", icon=":material/logout:", key="sign out", on_click=st.logout)


def _gate(user: Mapping[str, Any]) -> None:
    """One page at every address: a title, a sentence, a button. It names no page of ours to a stranger."""
    home = st.Page(lambda: _sign_in(user), title="Sign in", url_path="sign-in", default=True)
    step = urlsplit(st.context.url or "").path.rstrip("/").rpartition("/")[2]
    here = [st.Page(lambda: _sign_in(user), title="Sign in", url_path=step)] if SLUG.fullmatch(step) else []
    st.navigation([home, *(one for one in here if step != "sign-in")], position="hidden").run()


def _sign_in(user: Mapping[str, Any]) -> None:
    st.title("Sign in", anchor=False)
    wrong = problem()
    if wrong:
        _said("not set up")
        notice("bad", "Nobody can sign in yet.", wrong)
    elif embed.is_embedded():  # browsers keep our cookie from a page of another site
        st.markdown("This page is for people who have signed in, which cannot be done inside another page.")
        embed.whole_page("sign-in whole")
    elif user.get("is_logged_in") is True:
        _said("not listed")
        st.markdown("These pages are for people whom their host has named.")
        error_line(f"{plain(str(user.get('email') or 'This account'))} is not among them.")
        st.button("Sign in as somebody else", key="sign out", on_click=st.logout)
    else:
        st.markdown("These pages are for people who have signed in.")
        for name in _providers():
            label = "Sign in" if name is None else f"Sign in with {plain(name)}"
            st.button(
                label,
                type="primary",
                icon=":material/login:",
                key=f"sign in {name}",
                on_click=st.login,
                args=(name,),
            )


def _providers() -> list[str | None]:
    """The providers that the section names; None for one that it gives without a name."""
    section = auth_util.get_secrets_auth_section()
    named = [key for key, value in section.items() if isinstance(value, Mapping) and "client_id" in value]
    return ([None] if "client_id" in section else []) + sorted(named) or [None]


def _said(outcome: str) -> None:
    """Logged once a session."""
    if st.session_state.get("login") != outcome:
        st.session_state["login"] = outcome
        logs.event("login", outcome=outcome)
