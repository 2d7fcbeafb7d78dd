"""A small OpenID Connect provider on a port of its own, as strict as the real ones."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "fhir", "s3cret: of the provider"


class Provider:
    """Signs `person` in at once. `claims` change the id token, `userinfo` is told besides."""

    def __init__(self) -> None:
        self.issuer = ""
        self.key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
        self.signer = self.key
        self.person = "8000123"
        self.claims: dict[str, Any] = {}
        self.userinfo: dict[str, Any] | None = None
        self.signed_userinfo = False
        self.asked: list[dict[str, str]] = []
        self._codes: dict[str, dict[str, str]] = {}

    def authorize(self, query: dict[str, str]) -> str:
        """Where the browser goes with a code."""
        self.asked.append(query)
        assert query["response_type"] == "code"
        assert query["client_id"] == CLIENT
        assert query["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(8)
        self._codes[code] = query
        back = {"code": code, "state": query["state"], "iss": self.issuer}
        return f"{query['redirect_uri']}?{urlencode(back)}"

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """The token response."""
        asked = self._codes.pop(form["code"], None)
        pair = base64.b64encode(f"{CLIENT}:s3cret%3A%20of%20the%20provider".encode()).decode()
        proof = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(proof).rstrip(b"=").decode()
        if (
            asked is None
            or authorization != f"Basic {pair}"
            or challenge != asked["code_challenge"]
            or form["redirect_uri"] != asked["redirect_uri"]
        ):
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {
            **{"iss": self.issuer, "aud": CLIENT, "sub": self.person, "iat": now},
            **{"exp": now + 60, "nonce": asked["nonce"], **self.claims},
        }
        token = self.sign({name: v for name, v in claims.items() if v is not None})
        return 200, {"access_token": "at", "token_type": "Bearer", "id_token": token}

    def sign(self, claims: dict[str, Any]) -> str:
        """A JWT of the provider's."""
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.signer)

    def answer(self, path: str) -> tuple[str, bytes]:
        """Media type and body of what is asked for with GET."""
        if path == "/.well-known/openid-configuration":
            names = {"authorization_endpoint": "authorize", "token_endpoint": "token",
                     "jwks_uri": "jwks", "userinfo_endpoint": "userinfo"}  # fmt: skip
            found = {name: f"{self.issuer}/{place}" for name, place in names.items()}
            return "application/json", json.dumps({"issuer": self.issuer, **found}).encode()
        if path == "/jwks":
            keys = {"keys": [self.key.as_dict(private=False)]}
            return "application/json", json.dumps(keys).encode()
        told = {"sub": self.person, **(self.userinfo or {})}
        if self.signed_userinfo:
            return "application/jwt", self.sign(told).encode()
        return "application/json", json.dumps(told).encode()


@contextmanager
def provider() -> Iterator[Provider]:
    """The provider, running."""
    one = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/authorize":
                goal = one.authorize(dict(parse_qsl(parts.query)))
                self._send(302, "text/plain", b"", goal)
            else:
                self._send(200, *one.answer(parts.path))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            status, found = one.token(dict(parse_qsl(body)), self.headers["Authorization"] or "")
            self._send(status, "application/json", json.dumps(found).encode())

        def _send(self, status: int, media: str, body: bytes, location: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Type", media)
            self.send_header("Content-Length", str(len(body)))
            if location:
                self.send_header("Location", location)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        one.issuer = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield one
        server.shutdown()
        thread.join()
