"""Slowing down clients that keep failing to show who they are or what they were granted.

As `throttling` does for people, but only failures count, since many instances of one service ask
at once; and more are free, since nobody guesses a client's secret, key or code in twenty attempts.
A client is counted together with where it asks from: nobody else's failures make it wait there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from math import ceil
from typing import TypeVar

from fhir_server.smart.errors import OAuthError
from fhir_server.smart.throttling import MEMORY, SOURCE_DELAYS, Caller
from fhir_server.store.sign_ins import SignIns

Answer = TypeVar("Answer")

CLIENT_DELAYS = (*(0,) * 19, 2, 4, 8, 16, 32, 64, 128, 256, 300)
"""Seconds to wait after the first, second ... failure of one client from one source."""

COUNTED = frozenset(("invalid_client", "invalid_grant"))
"""The refusals that are failures."""


class Failures:
    """Lets clients through, or says how long to wait."""

    def __init__(self, kept: SignIns, now: Callable[[], float]) -> None:
        self._kept = kept
        self._now = now

    async def watch(
        self, client_id: str, caller: Caller, answer: Callable[[], Awaitable[Answer]]
    ) -> Answer:
        """What `answer` gives; a failure of it is counted, a success forgives those before.

        `client_id` is who the request says that it is of. Raises OAuthError with status 429 and
        Retry-After where the client must wait, and whatever `answer` raises.
        """
        source = f"clients of source {caller.source}"
        client = f"client {client_id}\n{source}"
        counted, wait = await self._kept.waiting((client, source), self._now())
        if wait:
            seconds = ceil(wait)
            raise OAuthError(
                "temporarily_unavailable",
                f"Too many requests failed; wait {seconds} seconds before the next one",
                status=429,
                headers={"Retry-After": str(seconds)},
            )
        try:
            answered = await answer()
        except OAuthError as error:
            if error.error in COUNTED:
                await self._kept.attempt(client, self._now(), CLIENT_DELAYS, MEMORY)
                await self._kept.attempt(source, self._now(), SOURCE_DELAYS, MEMORY)
            raise
        if counted:
            await self._kept.forgive(client)
            await self._kept.forgive(source)
        return answered
