"""`private_key_jwt`: a client shows by a signed JWT who it is.

https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html, RFC 7523, 3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from fhir_server.smart.client_keys import ClientKeys
from fhir_server.smart.client_metadata import ASSERTION_ALGORITHMS
from fhir_server.smart.clients import Client
from fhir_server.smart.errors import InvalidClient
from fhir_server.smart.public_keys import public_key
from fhir_server.store.authorizations import Authorizations

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST_LIFE = 300
"""Seconds that an assertion may live at most."""

MAX_BYTES = 16 * 1024
KEPT_LONGER = 60
"""Seconds for which an id is remembered beyond the last moment at which it could be accepted."""


class Assertions:
    """Verifies client assertions; each is good once, for all processes together."""

    def __init__(
        self,
        audience: str,
        keys: ClientKeys,
        seen: Authorizations,
        now: Callable[[], float],
        skew: float,
    ) -> None:
        self._audience = audience
        self._keys = keys
        self._seen = seen
        self._now = now
        self._skew = skew

    @staticmethod
    def issuer(assertion: str) -> str:
        """Whom an assertion says that it is of; nothing is verified yet. Raises InvalidClient."""
        _, claims = _parts(assertion)
        issuer = claims.get("iss")
        if not isinstance(issuer, str) or not issuer:
            raise InvalidClient("iss: it must be the client_id")
        return issuer

    async def verify(self, assertion: str, client: Client) -> None:
        """Return where the assertion is in order and new. Raises InvalidClient, saying what is not.

        What costs nothing is checked first, so that only an assertion that is right but for its
        signature makes us fetch keys.
        """
        header, claims = _parts(assertion)
        self._check_header(header, client)
        expires = self._check_claims(claims, client)
        key = await self._key(header, client)
        try:
            jws.deserialize_compact(assertion, key, algorithms=[header["alg"]])
        except (JoseError, ValueError, TypeError):
            raise InvalidClient("The signature of client_assertion is wrong") from None
        forget = expires + self._skew + KEPT_LONGER
        if not await self._seen.accept_assertion(client.id, claims["jti"], forget):
            raise InvalidClient("jti: this client_assertion was used before")

    def _check_header(self, header: Mapping[str, Any], client: Client) -> None:
        allowed = client.metadata.get("token_endpoint_auth_signing_alg")
        algorithms = (allowed,) if allowed else ASSERTION_ALGORITHMS
        if header.get("alg") not in algorithms:
            raise InvalidClient(f"alg: it must be {' or '.join(algorithms)}")
        if str(header.get("typ", "")).upper() != "JWT":
            raise InvalidClient("typ: it must be JWT")
        if not isinstance(header.get("kid"), str) or not header["kid"]:
            raise InvalidClient("kid: it must be the id of a registered key")
        if "crit" in header or header.get("b64") is False:
            raise InvalidClient("crit: no extension is understood")
        if "jku" in header and (client.jwks_uri is None or header["jku"] != client.jwks_uri):
            raise InvalidClient("jku: it is not the URL that the client registered")

    def _check_claims(self, claims: Mapping[str, Any], client: Client) -> float:
        if claims.get("iss") != client.id or claims.get("sub") != client.id:
            raise InvalidClient("iss and sub: both must be the client_id")
        if claims.get("aud") not in (self._audience, [self._audience]):
            raise InvalidClient(f"aud: it must be {self._audience}")
        now = self._now()
        expires = _number(claims, "exp")
        if expires is None:
            raise InvalidClient("exp: it is missing")
        if expires <= now - self._skew:
            raise InvalidClient("exp: the client_assertion has expired")
        if expires > now + LONGEST_LIFE + self._skew:
            raise InvalidClient("exp: it is more than five minutes ahead")
        for name in ("iat", "nbf"):
            begins = _number(claims, name)
            if begins is not None and begins > now + self._skew:
                raise InvalidClient(f"{name}: it lies in the future")
        jti = claims.get("jti")
        if not isinstance(jti, str) or not 0 < len(jti) <= 500:
            raise InvalidClient("jti: it is missing")
        return expires

    async def _key(self, header: Mapping[str, Any], client: Client) -> RSAKey | ECKey:
        """The one registered key of the header's id that fits its algorithm."""
        kind = "RSA" if header["alg"].startswith("RS") else "EC"
        found = [
            jwk
            for jwk in await self._keys.of(client, header["kid"])
            if jwk.get("kty") == kind
            and jwk.get("use", "sig") == "sig"
            and jwk.get("alg", header["alg"]) == header["alg"]
        ]
        if len(found) != 1:
            raise InvalidClient(f"kid: {len(found)} of the client's keys fit, not one")
        try:
            return public_key(found[0])
        except ValueError as error:
            raise InvalidClient(f"kid: {error}") from None


def _parts(assertion: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The header and the claims, unverified."""
    if len(assertion) > MAX_BYTES:
        raise InvalidClient("client_assertion: it is too long")
    try:
        read = jws.extract_compact(assertion.encode())
        header, claims = read.headers(), msgspec.json.decode(read.payload)
    except (JoseError, ValueError, TypeError):
        raise InvalidClient("client_assertion: it is no signed JWT") from None
    if not isinstance(claims, dict):
        raise InvalidClient("client_assertion: its claims are no JSON object")
    return dict(header), claims


def _number(claims: Mapping[str, Any], name: str) -> float | None:
    """A NumericDate; raises InvalidClient where it is something else."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidClient(f"{name}: it must be a number of seconds")
    return float(value)
