"""MongoDB transactions that are tried again, and the claims that keep conditional writes apart.

https://hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import TypeVar

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import PyMongoError, ServerSelectionTimeoutError
from pymongo.read_concern import ReadConcern

from fhir_server.errors import TooLarge, Unavailable
from fhir_server.store.database import DURABLE, Database, raise_unavailable, unreachable

Item = TypeVar("Item")
Result = TypeVar("Result")

TOO_LARGE_FOR_CACHE = 388

PATIENCE = 120.0
"""Seconds for which a transaction that others disturb is tried again."""

FURTHER_CLAIM = 0.25
"""Seconds to wait at most for a claim when another one is held already.

Two transactions that want each other's claims would wait forever; so they start anew instead.
"""


class Session:
    """One transaction under way. One operation at a time; never kept beyond the callback."""

    __slots__ = ("held", "mongo")

    def __init__(self, mongo: AsyncClientSession) -> None:
        self.mongo = mongo
        self.held: dict[str, asyncio.Lock] = {}

    def release(self) -> None:
        """Let the next ones have the claims."""
        for lock in self.held.values():
            lock.release()
        self.held.clear()


def _is_too_large(error: PyMongoError) -> bool:
    details = getattr(error, "details", None) or {}
    codes = {fault.get("code") for fault in details.get("writeErrors", ())}
    return TOO_LARGE_FOR_CACHE in codes | {details.get("code")}


class Retry(Exception):
    """Start the transaction anew: what it needs is held by another one."""


class Transactions:
    """Runs callbacks in transactions."""

    def __init__(self, database: Database, patience: float = PATIENCE) -> None:
        self._database = database
        self._patience = patience
        self._claims: dict[str, tuple[asyncio.Lock, int]] = {}

    async def run(self, callback: Callable[[Session], Awaitable[Result]]) -> Result:
        """The callback's result, once all that it wrote is durable; its error, with nothing kept.

        The callback runs again when others were in the way: it must have no effect but through the
        session. Raises Unavailable when that goes on for too long.
        """
        until = time.monotonic() + self._patience
        attempt = 0
        async with self._database.client.start_session(causal_consistency=False) as mongo:
            while True:
                session = Session(mongo)
                try:
                    return await self._once(callback, session, until)
                except Retry as error:
                    cause: Exception = error
                except PyMongoError as error:
                    if _is_too_large(error):
                        raise TooLarge(
                            "This transaction is too large for MongoDB's cache; send it in "
                            "parts, or give MongoDB more memory"
                        ) from error
                    if isinstance(error, ServerSelectionTimeoutError):
                        raise unreachable() from error
                    if not error.has_error_label("TransientTransactionError"):
                        raise_unavailable(error)
                        raise
                    cause = error
                finally:
                    self._release(session)
                if time.monotonic() > until:
                    raise Unavailable(
                        "Other writers kept changing the same resources; try again",
                        headers=[("Retry-After", "1")],
                    ) from cause
                attempt += 1
                # Jitter: those who met once must not meet again.
                await asyncio.sleep(random.uniform(0, min(0.002 * 2**attempt, 0.5)))  # noqa: S311

    async def _once(
        self, callback: Callable[[Session], Awaitable[Result]], session: Session, until: float
    ) -> Result:
        mongo = session.mongo
        await mongo.start_transaction(ReadConcern("snapshot"), DURABLE)
        try:
            result = await callback(session)
        except BaseException:
            # What cannot be aborted now ends by itself; the cause is what must be told.
            with suppress(PyMongoError):
                await mongo.abort_transaction()
            raise
        while True:
            try:
                await mongo.commit_transaction()
                return result
            except PyMongoError as error:
                # Sending a commit again is safe; the first one may have been carried out.
                unknown = error.has_error_label("UnknownTransactionCommitResult")
                if not unknown or time.monotonic() > until:
                    raise
                await asyncio.sleep(0.05)

    async def claim(self, key: str, session: Session) -> None:
        """Hold `key` until the end of the transaction; of many that claim it, one is next.

        The others' transactions start anew, or wait here, and then see what that one wrote.
        """
        name = hashlib.sha256(key.encode()).hexdigest()
        if name in session.held:
            return
        lock, users = self._claims.get(name, (asyncio.Lock(), 0))
        self._claims[name] = (lock, users + 1)
        try:
            patience = self._patience
            if session.held:
                patience = random.uniform(0, FURTHER_CLAIM)  # noqa: S311
            await asyncio.wait_for(lock.acquire(), patience)
        except BaseException as error:
            self._leave(name)
            if isinstance(error, TimeoutError):
                raise Retry from error
            raise
        session.held[name] = lock
        claims = self._database["claims"]
        await claims.update_one(
            {"_id": name},
            {"$set": {"at": datetime.now(UTC)}, "$inc": {"n": 1}},
            upsert=True,
            session=session.mongo,
        )

    def _release(self, session: Session) -> None:
        names = list(session.held)
        session.release()
        for name in names:
            self._leave(name)

    def _leave(self, name: str) -> None:
        lock, users = self._claims[name]
        if users == 1:
            del self._claims[name]
        else:
            self._claims[name] = (lock, users - 1)


async def each(
    session: Session | None, call: Callable[[Item], Awaitable[Result]], items: Iterable[Item]
) -> list[Result]:
    """The results for the items: together, or within a transaction one after the other.

    A call is made when its turn comes, so that one that fails leaves none behind it unawaited.
    """
    if session is None:
        return await asyncio.gather(*map(call, items))
    return [await call(item) for item in items]
