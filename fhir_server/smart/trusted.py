"""Access tokens of other issuers that the operator trusts (RFC 9068), by configuration.

The key is chosen by `kid` among those that the operator pointed at, never by anything else that a
token says of itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, KeySet, RSAKey
from joserfc.jws import extract_compact

from fhir_server.settings import TrustedIssuer, is_loopback
from fhir_server.smart.errors import InvalidToken

MAX_TOKEN_BYTES = 18 * 1024
FRESH = 300
"""Seconds for which fetched keys are used without asking again."""

AGAIN = 10
"""Seconds between two fetches that an unknown key id can cause."""

SECONDS = 5.0


@dataclass(slots=True)
class _Known:
    keys: dict[str, Key]
    at: float


class TrustedIssuers:
    """Verifies the access tokens of the issuers in the settings."""

    def __init__(
        self,
        issuers: Sequence[TrustedIssuer],
        audience: str,
        now: Callable[[], float],
        skew: float,
    ) -> None:
        self._issuers = {issuer.issuer: issuer for issuer in issuers}
        self._audience = audience
        self._now = now
        self._skew = skew
        self._known: dict[str, _Known] = {}
        self._lock = asyncio.Lock()

    def trusts(self, issuer: str) -> bool:
        """Whether tokens of the issuer are taken."""
        return issuer in self._issuers

    async def read(self, token: str) -> dict[str, Any]:
        """The claims of a token that is good now. Raises InvalidToken."""
        header, said = peek(token)
        issuer = self._issuers.get(said.get("iss", ""))
        if issuer is None:
            raise InvalidToken("The token is of an issuer that is not trusted here")
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in issuer.algorithms or not isinstance(kid, str) or "crit" in header:
            raise InvalidToken("The token is signed in a way that is not accepted of its issuer")
        if str(header.get("typ", "")).lower().removeprefix("application/") != issuer.type.lower():
            raise InvalidToken(f"The token's typ is not {issuer.type}: it is no access token")
        key = await self._key(issuer, kid)
        if key is None:
            raise InvalidToken("The token names a key that its issuer does not publish")
        try:
            claims = jwt.decode(token, key, algorithms=[algorithm]).claims
        except (JoseError, ValueError, TypeError):
            raise InvalidToken("The token's signature is wrong") from None
        self._check(claims, issuer)
        return claims

    def _check(self, claims: Mapping[str, Any], issuer: TrustedIssuer) -> None:
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        if (issuer.audience or self._audience) not in audiences:
            raise InvalidToken("The token is for another server")
        if "nonce" in claims or "at_hash" in claims:
            raise InvalidToken("The token is an id token: it says who signs in, and opens nothing")
        now, expires = self._now(), claims.get("exp")
        if not (_is_time(expires) and now < float(expires or 0) + self._skew):
            raise InvalidToken("The token has expired")
        for name in ("nbf", "iat"):
            said = claims.get(name, 0)
            if not (_is_time(said) and said <= now + self._skew):
                raise InvalidToken(f"The token is not valid yet ({name})")

    async def _key(self, issuer: TrustedIssuer, kid: str) -> Key | None:
        known = self._known.get(issuer.issuer)
        now = self._now()
        if (
            known is None
            or now - known.at > FRESH
            or (kid not in known.keys and _may_ask(known, now))
        ):
            async with self._lock:
                if self._known.get(issuer.issuer) is known:
                    known = self._known[issuer.issuer] = _Known(await self._fetch(issuer), now)
                else:
                    known = self._known[issuer.issuer]
        return known.keys.get(kid)

    async def _fetch(self, issuer: TrustedIssuer) -> dict[str, Key]:
        try:
            if "://" in issuer.jwks:
                raw = await _get(issuer.jwks)
            else:
                raw = Path(issuer.jwks).read_bytes()
            rows = msgspec.json.decode(raw, type=dict[str, Any])["keys"]
            sound = [row for row in rows if row.get("kty") in ("EC", "RSA") and row.get("kid")]
            keys = KeySet.import_key_set({"keys": sound}).keys
        except (httpx.HTTPError, OSError, ValueError, KeyError, TypeError, JoseError):
            raise InvalidToken("The keys of the token's issuer cannot be had now") from None
        return {
            str(key.kid): key
            for key in keys
            if isinstance(key, ECKey | RSAKey) and key.get("use", "sig") == "sig"
        }


def peek(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a compact JWT; nothing is verified. Raises InvalidToken."""
    if len(token) > MAX_TOKEN_BYTES:
        raise InvalidToken("The token is too long")
    try:
        parts = extract_compact(token.encode("ascii"))
        header, claims = parts.headers(), msgspec.json.decode(parts.payload)
    except (JoseError, ValueError, TypeError):
        raise InvalidToken("The token is no JWT") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise InvalidToken("The token is no JWT")
    return header, claims


def _may_ask(known: _Known, now: float) -> bool:
    return now - known.at > AGAIN


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


async def _get(url: str) -> bytes:
    parts = urlsplit(url)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise ValueError("not https")
    async with httpx.AsyncClient(follow_redirects=False, trust_env=False, timeout=SECONDS) as http:
        answer = await http.get(url, headers={"Accept": "application/json"})
        answer.raise_for_status()
        return answer.content
