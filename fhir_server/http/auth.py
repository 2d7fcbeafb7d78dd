"""From a request's credentials to the Grant that it acts under.

https://www.rfc-editor.org/rfc/rfc6750: a token comes in the Authorization header and nowhere else.
What a token says is verified once and kept for a minute; whether it was revoked is asked anew each
time.
"""

from __future__ import annotations

from asyncio import Future
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from fhir_server.access.grant import Grant
from fhir_server.access.principal import Principal, principal_of
from fhir_server.errors import MalformedRequest, Unauthenticated
from fhir_server.exchange import FhirRequest
from fhir_server.http.limits import RateLimits
from fhir_server.settings import Settings
from fhir_server.smart.dpop import ALGORITHMS, Proofs
from fhir_server.smart.errors import InvalidToken
from fhir_server.smart.tokens import TokenMaker
from fhir_server.smart.trusted import MAX_TOKEN_BYTES, TrustedIssuers, peek

OPEN = Grant.open()
CLOSED = Grant.closed()
REALM = 'Bearer realm="fhir"'
CHALLENGE = ("WWW-Authenticate", REALM)
INSUFFICIENT = ("WWW-Authenticate", f'{REALM}, error="insufficient_scope"')

KEPT = 60.0
"""Seconds after which a token is verified again."""

MOST_KEPT = 10_000


class Caller(NamedTuple):
    """Who a token stands for and what it permits, until when (seconds since 1970 UTC)."""

    principal: Principal
    grant: Grant
    until: float


class Authentication:
    """Knows callers by their access tokens, those of this server and of trusted issuers."""

    def __init__(
        self,
        settings: Settings,
        own: TokenMaker,
        trusted: TrustedIssuers,
        proofs: Proofs,
        is_revoked: Callable[[str, str], Future[bool]],
        grant: Callable[[Principal], Grant],
        now: Callable[[], float],
    ) -> None:
        self._open = settings.access == "open"
        self._base = settings.base
        self._own = own
        self._trusted = trusted
        self._proofs = proofs
        self._is_revoked = is_revoked
        self._grant = grant
        self._now = now
        self._limits = RateLimits(settings.requests_per_minute, now)
        self._known: OrderedDict[str, Caller] = OrderedDict()

    async def identify(self, request: FhirRequest, headers: list[tuple[bytes, bytes]]) -> None:
        """Give the request its caller: everything where the server is open, else by its token.

        Without credentials it stays nobody's. Raises Unauthenticated for a token that is not good,
        TooManyRequests, and MalformedRequest where two tokens were sent. Whether a token was
        revoked is asked by `is_revoked`.
        """
        if self._open:
            request.grant = OPEN
            return
        given = request.headers.get("authorization")
        if given is None:
            return
        if sum(name == b"authorization" for name, _ in headers) > 1:
            raise MalformedRequest(
                "Send one Authorization header",
                headers=[("WWW-Authenticate", f'{REALM}, error="invalid_request"')],
            )
        scheme, _, token = given.partition(" ")
        if scheme.lower() not in ("bearer", "dpop"):
            return
        caller = self._known.get(token)
        if caller is None or caller.until <= self._now():
            caller = await self._verify(token)
        principal = caller.principal
        if principal.key_thumbprint is not None or scheme.lower() == "dpop":
            await self._check_proof(principal, scheme, token, request)
        self._limits.take(principal.client_id)
        request.principal = principal
        request.grant = caller.grant

    def is_revoked(self, principal: Principal) -> Future[bool]:
        """Whether the token or its family was revoked before this call."""
        return self._is_revoked(principal.jti, principal.family)

    async def _verify(self, token: str) -> Caller:
        self._known.pop(token, None)
        try:
            claims, issuer = await self._claims(token.strip())
            principal = principal_of(claims, issuer, self._base)
        except InvalidToken as error:
            raise _refusal(error.description) from None
        except (ValueError, MalformedRequest):
            raise _refusal("The token's claims are none of an access token") from None
        until = min(float(claims["exp"]), self._now() + KEPT)
        caller = Caller(principal, self._grant(principal), until)
        if len(self._known) >= MOST_KEPT:
            self._known.popitem(last=False)
        self._known[token] = caller
        return caller

    async def _claims(self, token: str) -> tuple[Mapping[str, Any], str]:
        if not token or len(token) > MAX_TOKEN_BYTES:
            raise InvalidToken("The token is no JWT")
        _, said = peek(token)
        issuer = said.get("iss")
        if isinstance(issuer, str) and self._trusted.trusts(issuer):
            return await self._trusted.read(token), issuer
        read = await self._own.read(token)
        claims: dict[str, Any] = {
            **{"sub": read.subject, "client_id": read.client_id, "scope": read.scope},
            **{"jti": read.jti, "fam": read.family, "exp": read.expires},
            **{"patient": read.patient, "encounter": read.encounter, "fhirUser": read.fhir_user},
        }
        if read.key_thumbprint is not None:
            claims["cnf"] = {"jkt": read.key_thumbprint}
        return claims, ""

    async def _check_proof(
        self, principal: Principal, scheme: str, token: str, request: FhirRequest
    ) -> None:
        """The request must be signed with the key that the token is bound to (RFC 9449, 7.1)."""
        proof = request.headers.get("dpop", "")
        if scheme.lower() != "dpop" or not proof or principal.key_thumbprint is None:
            raise _refusal("A token bound to a key goes with the scheme DPoP and a proof", "DPoP")
        url = f"{self._base}/{request.path}" if request.path else self._base
        try:
            signed_by = await self._proofs.thumbprint(proof, request.method, url, token)
        except InvalidToken as error:
            raise _refusal(error.description, "DPoP", "invalid_dpop_proof") from None
        if signed_by != principal.key_thumbprint:
            raise _refusal("The DPoP proof is of another key than the token", "DPoP")


def revoked() -> Unauthenticated:
    """The error for a token that was good once."""
    return _refusal("The access token was revoked")


def _refusal(
    description: str, scheme: str = "Bearer", error: str = "invalid_token"
) -> Unauthenticated:
    challenge = f'{scheme} realm="fhir", error="{error}", error_description="{description}"'
    if scheme == "DPoP":
        challenge += f', algs="{" ".join(ALGORITHMS)}"'
    return Unauthenticated(description, headers=[("WWW-Authenticate", challenge)])
