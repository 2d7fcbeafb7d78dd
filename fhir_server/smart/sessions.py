"""Sign-in sessions: kept by the server, named by a cookie of 256 random bits.

A session begins anew with every sign-in, so that nobody can hand a known one to somebody else.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass

from fhir_server.store.opaque import new_token
from fhir_server.store.sign_ins import SignIns

IDLE = 60 * 60
LONGEST = 12 * 3_600
HALF = 10 * 60
"""Seconds that a session lives unused, at all, and while its second factor is missing."""


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody signed in. `id` is no secret; `begun` in seconds since 1970.

    `complete` is False while a second factor is missing. `request` is the authorization request
    that the sign-in was for, so that an app that asks for a fresh sign-in sees that it was one.
    """

    id: str
    account: str
    begun: int
    method: str
    complete: bool
    request: str | None = None


class Sessions:
    """The sessions of all processes."""

    def __init__(self, kept: SignIns, now: Callable[[], float]) -> None:
        self._kept = kept
        self._now = now

    async def begin(
        self, account: str, method: str, *, complete: bool, request: str | None
    ) -> tuple[str, Session]:
        """A new session and the token that names it."""
        now = self._now()
        token = new_token()
        row = {
            **{"account": account, "method": method, "complete": complete},
            **{"request": request, "begun": int(now), "seen": now},
        }
        id_ = await self._kept.add_session(token, row, now + (IDLE if complete else HALF))
        return token, Session(id_, account, int(now), method, complete, request)

    async def of(self, token: str | None) -> Session | None:
        """The session of a token, which its use keeps alive; None where there is none."""
        now = self._now()
        row = await self._kept.session(token, now) if token else None
        if row is None or row["begun"] + LONGEST <= now:
            return None
        if row["complete"]:
            until = min(now + IDLE, row["begun"] + LONGEST)
            # Once a minute is often enough to write.
            if row["until"] + 60 < until:
                await self._kept.extend(row["_id"], until)
        return Session(
            row["_id"], row["account"], row["begun"], row["method"], row["complete"], row["request"]
        )

    async def lasts(self, id_: str) -> bool:
        """Whether a session, by its id, has not ended: apps with `online_access` hang on it."""
        return await self._kept.lasts(id_, self._now())

    async def end(self, id_: str) -> None:
        """End a session, by its id."""
        await self._kept.end_session(id_)

    async def end_all(self, account: str, but: str = "") -> list[str]:
        """End every session of an account but one; the ids of those that ended."""
        return await self._kept.end_all(account, but)


def form_token(visit: str) -> str:
    """What a form must carry that was given to the browser with this cookie (against CSRF).

    Another site can make the browser send the cookie but cannot read it, nor come to this value.
    """
    return hashlib.sha256(f"form {visit}".encode()).hexdigest()


def is_form_token(given: str, visit: str | None) -> bool:
    """Whether a form came from a page of this browser's."""
    return bool(visit) and hmac.compare_digest(given.encode(), form_token(visit or "").encode())
