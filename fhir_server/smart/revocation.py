"""Token revocation (RFC 7009)."""

from __future__ import annotations

from collections.abc import Callable

from fhir_server.exchange import Pairs
from fhir_server.smart.client_authentication import ClientAuthentication, read_form
from fhir_server.smart.errors import InvalidToken, OAuthError
from fhir_server.smart.tokens import TokenMaker
from fhir_server.store.tokens import Tokens


class Revocation:
    """Ends tokens before their time."""

    def __init__(
        self,
        authentication: ClientAuthentication,
        maker: TokenMaker,
        tokens: Tokens,
        now: Callable[[], float],
    ) -> None:
        self._authentication = authentication
        self._maker = maker
        self._tokens = tokens
        self._now = now

    async def answer(self, pairs: Pairs, authorization: str) -> None:
        """Return when the token is good no more, also where it never was. Raises OAuthError.

        With a refresh token all that was handed out for its approval ends; an access token ends
        alone. Tokens of other clients are as unknown as those that never were.
        """
        form = read_form(pairs)
        client = await self._authentication.client(form, authorization)
        token = form.get("token")
        if token is None:
            raise OAuthError("invalid_request", "token: it is missing")
        held = await self._tokens.holder(token)
        if held is not None:
            if held[0] == client.id:
                await self._tokens.revoke_family(held[1], self._now())
            return
        try:
            claims = await self._maker.read(token)
        except InvalidToken:
            return
        if claims.client_id == client.id:
            await self._tokens.revoke_token(claims.jti, self._now())
