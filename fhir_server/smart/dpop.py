"""DPoP proofs: a request signed with the key that its token is bound to (RFC 9449)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from fhir_server.smart.errors import InvalidToken
from fhir_server.smart.trusted import peek
from fhir_server.store.authorizations import Authorizations

TYPE = "dpop+jwt"
ALGORITHMS = ("ES256", "ES384", "RS256", "PS256")
LONGEST_AGE = 60
"""Seconds for which a proof is good after its `iat`."""

MAX_BYTES = 8 * 1024
_PRIVATE = frozenset(("d", "p", "q", "dp", "dq", "qi", "k"))


@dataclass(frozen=True, slots=True)
class Proofs:
    """Verifies proofs; each is good once, for all processes together."""

    seen: Authorizations
    now: Callable[[], float]
    skew: float

    async def thumbprint(self, proof: str, method: str, url: str, token: str = "") -> str:
        """The thumbprint of the key that signed the proof for this request and access token.

        Raises InvalidToken, saying what is wrong. `url` is compared without query and fragment.
        """
        if len(proof) > MAX_BYTES:
            raise InvalidToken("The DPoP proof is too long")
        header, _ = peek(proof)
        key = _key(header)
        try:
            claims = jwt.decode(proof, key, algorithms=[header["alg"]]).claims
        except (JoseError, ValueError, TypeError):
            raise InvalidToken("The DPoP proof's signature is wrong") from None
        self._check(claims, method, url, token)
        thumbprint = key.thumbprint()
        until = self.now() + LONGEST_AGE + self.skew + 60
        if not await self.seen.accept_assertion(f"dpop {thumbprint}", claims["jti"], until):
            raise InvalidToken("The DPoP proof has been used before")
        return thumbprint

    def _check(self, claims: dict[str, Any], method: str, url: str, token: str) -> None:
        if claims.get("htm") != method:
            raise InvalidToken("The DPoP proof is for another method (htm)")
        if not _same(claims.get("htu"), url):
            raise InvalidToken("The DPoP proof is for another URL (htu)")
        issued, now = claims.get("iat"), self.now()
        if not isinstance(issued, int | float) or isinstance(issued, bool):
            raise InvalidToken("The DPoP proof says no time (iat)")
        if not now - LONGEST_AGE - self.skew <= issued <= now + self.skew:
            raise InvalidToken("The DPoP proof is too old, or of the future (iat)")
        jti = claims.get("jti")
        if not isinstance(jti, str) or not 1 <= len(jti) <= 256:
            raise InvalidToken("The DPoP proof has no id (jti)")
        if token and claims.get("ath") != _hash(token):
            raise InvalidToken("The DPoP proof is for another token (ath)")


def _key(header: dict[str, Any]) -> ECKey | RSAKey:
    if header.get("typ") != TYPE or header.get("alg") not in ALGORITHMS or "crit" in header:
        raise InvalidToken(f"The DPoP proof must be of typ {TYPE}, signed by {ALGORITHMS}")
    jwk = header.get("jwk")
    if not isinstance(jwk, dict) or _PRIVATE & jwk.keys():
        raise InvalidToken("The DPoP proof must have its public key (jwk)")
    try:
        if jwk.get("kty") == "EC":
            return ECKey.import_key(jwk)
        if jwk.get("kty") == "RSA":
            return RSAKey.import_key(jwk)
    except (JoseError, ValueError, TypeError):
        pass
    raise InvalidToken("The DPoP proof's key is none that is accepted")


def _same(claimed: Any, url: str) -> bool:
    if not isinstance(claimed, str):
        return False
    one, other = urlsplit(claimed), urlsplit(url)
    return (one.scheme.lower(), one.netloc.lower(), one.path) == (
        *(other.scheme.lower(), other.netloc.lower(), other.path),
    )


def _hash(token: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
