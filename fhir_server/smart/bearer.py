"""Bearer tokens at the authorization server's own endpoints (RFC 6750)."""

from __future__ import annotations

from fhir_server.smart.errors import InvalidToken
from fhir_server.smart.tokens import AccessClaims, TokenMaker
from fhir_server.store.tokens import Tokens


class Bearer:
    """Reads access tokens and asks whether they were revoked."""

    def __init__(self, maker: TokenMaker, tokens: Tokens) -> None:
        self._maker = maker
        self._tokens = tokens

    async def claims(self, authorization: str) -> AccessClaims:
        """What the token of an `Authorization` header says. Raises InvalidToken."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise InvalidToken("Send an access token in the Authorization header")
        claims = await self.verified(token.strip())
        if claims.key_thumbprint is not None:
            raise InvalidToken("The token is bound to a key and no bearer token")
        return claims

    async def verified(self, token: str) -> AccessClaims:
        """What an access token says that is good now. Raises InvalidToken."""
        claims = await self._maker.read(token)
        if await self._tokens.is_revoked(claims.jti, claims.family):
            raise InvalidToken("The token was revoked")
        return claims
