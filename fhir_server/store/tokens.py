"""Approvals and what was handed out for them: codes and refresh tokens, hashed, each used once.

All that descends from one approval is one family. Whoever presents something a second time may
have stolen it, so that ends the family (RFC 9700, 4.14.2).
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pymongo import ReturnDocument

from fhir_server.store.database import Database, Document, available
from fhir_server.store.opaque import digest, moment
from fhir_server.store.revocations import Revocations

REMEMBERED = 2 * 86_400
"""Seconds for which a revocation is kept: longer than any access token lives."""


class Replayed(Exception):
    """A code or refresh token came a second time; its family has been revoked."""


@dataclass(frozen=True, slots=True)
class Family:
    """One approval. `subject` is the account's id; `until`, seconds since 1970, when it ends.

    `session` is the id of the sign-in session that it ends with, None where it outlives that
    (`offline_access`). `context` is what the answers of the token endpoint say of the launch.
    """

    id: str
    client_id: str
    subject: str
    scope: str
    created: float
    until: float
    session: str | None = None
    fhir_user: str | None = None
    patient: str | None = None
    encounter: str | None = None
    tenant: str | None = None
    auth_time: int = 0
    key_thumbprint: str | None = None
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Code:
    """What a code was issued for; `challenge` is the S256 challenge of RFC 7636."""

    family: str
    client_id: str
    redirect_uri: str
    challenge: str
    nonce: str | None = None


class Tokens:
    """Families, codes and refresh tokens of a database."""

    def __init__(self, database: Database) -> None:
        self._families = database["auth_families"]
        self._codes = database["auth_codes"]
        self._refresh = database["auth_refresh"]
        self.revocations = Revocations(database)

    def is_revoked(self, jti: str, family: str) -> Future[bool]:
        """Whether an access token or its family was revoked before this call; costs little."""
        return self.revocations.is_revoked(jti, family)

    async def add_family(self, family: Family) -> None:
        """Keep an approval."""
        with available():
            await self._families.insert_one(_family_row(family))

    async def family(self, id_: str, now: float) -> Family | None:
        """An approval that holds: None where it ended, was revoked or never was."""
        query = {"_id": id_, "revoked": None, "forget": {"$gt": moment(now)}}
        with available():
            row = await self._families.find_one(query)
        return _family(row) if row else None

    async def bind(self, id_: str, key_thumbprint: str) -> None:
        """Bind the refresh tokens of an approval to the key of that thumbprint."""
        with available():
            await self._families.update_one(
                {"_id": id_}, {"$set": {"key_thumbprint": key_thumbprint}}
            )

    async def families(self, subject: str, now: float) -> list[Family]:
        """The approvals of an account that hold, newest first."""
        query = {"subject": subject, "revoked": None, "forget": {"$gt": moment(now)}}
        with available():
            rows = await self._families.find(query).sort("created", -1).to_list()
        return [_family(row) for row in rows]

    async def add_code(self, code: str, issued: Code, until: float, forget: float) -> None:
        """Keep a code that is good until `until`; its replay is recognised until `forget`."""
        row = {
            "_id": digest(code),
            **{"family": issued.family, "client_id": issued.client_id, "used": None},
            **{"redirect_uri": issued.redirect_uri, "challenge": issued.challenge},
            **{"nonce": issued.nonce, "until": until, "forget": moment(forget)},
        }
        with available():
            await self._codes.insert_one(row)

    async def redeem(self, code: str, now: float) -> Code | None:
        """Use a code up. None where it is unknown or expired; raises Replayed where it was used."""
        with available():
            row = await self._codes.find_one_and_update(
                {"_id": digest(code), "used": None}, {"$set": {"used": now}}
            )
            if row is None:
                row = await self._codes.find_one({"_id": digest(code)})
                if row is None:
                    return None
                await self.revoke_family(row["family"], now)
                raise Replayed
        if row["until"] <= now:
            return None
        names = ("family", "client_id", "redirect_uri", "challenge", "nonce")
        return Code(*(row[name] for name in names))

    async def add_refresh(self, token: str, family: Family) -> None:
        """Keep a refresh token of the family."""
        row = {
            "_id": digest(token),
            **{"family": family.id, "client_id": family.client_id},
            **{"used": None, "next": None, "forget": moment(family.until)},
        }
        with available():
            await self._refresh.insert_one(row)

    async def holder(self, token: str, *, unused: bool = False) -> tuple[str, str] | None:
        """The client and the family of a refresh token; None where it is unknown.

        With `unused` also where it was used.
        """
        query: Document = {"_id": digest(token), **({"used": None} if unused else {})}
        with available():
            row = await self._refresh.find_one(query, {"client_id": 1, "family": 1})
        return (row["client_id"], row["family"]) if row else None

    async def rotate(
        self, token: str, successor: str, now: float, *, until: float, grace: float
    ) -> Family | None:
        """Use a refresh token up and put `successor` in its place, which lives until `until`.

        Two calls that cross each have their successor, as long as they come within `grace` seconds
        and nobody used the first successor. Any later use raises Replayed. None where the token is
        unknown or its family has ended.
        """
        id_ = digest(token)
        with available():
            row = await self._refresh.find_one_and_update(
                {"_id": id_, "used": None}, {"$set": {"used": now, "next": digest(successor)}}
            )
            if row is None:
                row = await self._refresh.find_one({"_id": id_})
                if row is None:
                    return None
                if not await self._crossed(row, now, grace):
                    await self.revoke_family(row["family"], now)
                    raise Replayed
            kept = await self._families.find_one_and_update(
                {"_id": row["family"], "revoked": None, "forget": {"$gt": moment(now)}},
                {"$set": {"until": until, "forget": moment(until)}},
                return_document=ReturnDocument.AFTER,
            )
        if kept is None:
            return None
        family = _family(kept)
        await self.add_refresh(successor, family)
        return family

    async def revoke_family(self, id_: str, now: float) -> None:
        """End an approval and everything that was handed out for it, in every process at once."""
        # First what every request asks for: were this cut short, access would have ended anyway.
        await self.revocations.add([id_], now + REMEMBERED)
        with available():
            await self._families.update_one(
                {"_id": id_, "revoked": None}, {"$set": {"revoked": now}}
            )

    async def revoke_token(self, jti: str, now: float) -> None:
        """End one access token."""
        await self.revocations.add([jti], now + REMEMBERED)

    async def end_session(self, session: str, now: float) -> None:
        """End the approvals that hold only while the person is signed in (`online_access`)."""
        await self._revoke_all({"session": session}, now)

    async def revoke_subject(self, subject: str, now: float) -> None:
        """End every approval of an account."""
        await self._revoke_all({"subject": subject}, now)

    async def revoke_client(self, client_id: str, family: str, now: float) -> None:
        """End every approval that a client has, and the family of its own tokens."""
        await self.revocations.add([family], now + REMEMBERED)
        await self._revoke_all({"client_id": client_id}, now)

    async def _revoke_all(self, query: Document, now: float) -> None:
        with available():
            rows = await self._families.find({**query, "revoked": None}, {"_id": 1}).to_list()
        for row in rows:
            await self.revoke_family(row["_id"], now)

    async def _crossed(self, row: Document, now: float, grace: float) -> bool:
        """Whether the second use of a token may be an honest client's two requests at once."""
        if now - row["used"] > grace:
            return False
        return (
            await self._refresh.find_one({"_id": row["next"], "used": {"$ne": None}}, {"_id": 1})
        ) is None


_FIELDS = (
    *("client_id", "subject", "scope", "created", "until", "session", "fhir_user", "patient"),
    *("encounter", "tenant", "auth_time", "key_thumbprint"),
)


def _family_row(family: Family) -> Document:
    row: Document = {name: getattr(family, name) for name in _FIELDS}
    return {
        "_id": family.id,
        **row,
        "context": dict(family.context),
        "revoked": None,
        "forget": moment(family.until),
    }


def _family(row: Document) -> Family:
    fields: Document = {name: row.get(name) for name in _FIELDS}
    return Family(id=row["_id"], context=row["context"], **fields)
