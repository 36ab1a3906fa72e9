"""An OpenID Connect provider for tests: discovery, authorize, token, keys; everybody who comes is let through.

What it does wrong is said by name: ``nonce`` (another one in the token), ``signature`` (a key that is not published),
``audience`` (a token for another app), ``state`` (another one on the way back).
"""

from __future__ import annotations

import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT, SECRET = "ebm-test", "known to both"


@dataclass
class Provider:
    """Who comes next (``claims``), what it does wrong, and the codes that it gave out."""

    issuer: str
    claims: dict[str, Any] = field(
        default_factory=lambda: {"email": "ada@school.example", "email_verified": True}
    )
    wrong: str = ""
    asked: int = 0
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one"}))
    other: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one"}))

    def secrets_toml(self, **more: str) -> str:
        """The section ``[auth]`` of an app that asks this provider."""
        values = {
            "redirect_uri": "http://127.0.0.1:{port}/oauth2callback", "cookie_secret": "0123456789abcdef" * 4,
            "client_id": CLIENT, "client_secret": SECRET,
            "server_metadata_url": f"{self.issuer}/.well-known/openid-configuration", **more,
        }  # fmt: skip
        return "[auth]\n" + "".join(f'{name} = "{value}"\n' for name, value in values.items())

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._discovery),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
                Route("/keys", self._keys),
            ]
        )

    def _discovery(self, _request: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "code_challenge_methods_supported": ["S256"],
            }
        )

    def _authorize(self, request: Request) -> Response:
        self.asked += 1
        asked = dict(request.query_params)
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        state = "another" if self.wrong == "state" else asked["state"]
        return RedirectResponse(
            f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': state})}", status_code=302
        )

    async def _token(self, request: Request) -> Response:
        form = await request.form()
        asked = self.codes.pop(str(form["code"]), None)
        if asked is None:
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        now = int(time.time())
        claims = {
            "iss": self.issuer, "sub": "1", "aud": "another-app" if self.wrong == "audience" else CLIENT, "iat": now,
            "exp": now + 300, "nonce": "another" if self.wrong == "nonce" else asked["nonce"], **self.claims,
        }  # fmt: skip
        key = self.other if self.wrong == "signature" else self.key
        token = jwt.encode({"alg": "RS256", "kid": "one"}, claims, key)
        return JSONResponse(
            {"access_token": "x", "token_type": "Bearer", "expires_in": 300, "id_token": token}
        )

    def _keys(self, _request: Request) -> Response:
        return JSONResponse({"keys": [self.key.as_dict(private=False)]})


@contextmanager
def running() -> Iterator[Provider]:
    """A provider on the loopback address."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        made = Provider(f"http://127.0.0.1:{listening.getsockname()[1]}")
        server = uvicorn.Server(uvicorn.Config(made.app(), log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield made
        server.should_exit = True
        thread.join(timeout=10)
