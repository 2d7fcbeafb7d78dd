"""The connection to MongoDB, and what the rest of the store may rely on about it."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import (
    ConfigurationError,
    ConnectionFailure,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
)
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from fhir_server.errors import Unavailable

Document = dict[str, Any]

DURABLE = WriteConcern("majority", j=True, wtimeout=60_000)
"""Acknowledged means: in the journal of most members."""

SETTLED = ReadConcern("majority")
"""Nothing is read that a change of primary could undo."""

OLDEST = (5, 0)
"""Snapshot reads outside of transactions came with MongoDB 5.0."""


OPTIONS: Document = {
    "serverSelectionTimeoutMS": 10_000,
    "maxPoolSize": 100,
    "appName": "fhir-server",
}


class Database:
    """One database of a replica set. Belongs to the event loop in which it is first used."""

    def __init__(self, uri: str, name: str) -> None:
        # What the address says for itself goes before our own choice.
        asked = uri.lower()
        chosen = {
            option: value for option, value in OPTIONS.items() if f"{option.lower()}=" not in asked
        }
        try:
            self.client: AsyncMongoClient[Document] = AsyncMongoClient(uri, **chosen)
        except (PyMongoError, ValueError) as error:
            raise Unavailable(f"FHIR_MONGODB_URI is not an address of MongoDB: {error}") from error
        self.name = name
        self.handle: AsyncDatabase[Document] = self.client.get_database(
            name, write_concern=DURABLE, read_concern=SETTLED
        )

    def __getitem__(self, name: str) -> AsyncCollection[Document]:
        return self.handle[name]

    async def check(self) -> str:
        """The version of the server, where it is one that this store can work on.

        Raises Unavailable, saying what to do, when nothing answers or when it is no replica set.
        """
        with available():
            hello = await self.client.admin.command("hello")
            version = str((await self.client.admin.command("buildInfo"))["version"])
        if "setName" not in hello and hello.get("msg") != "isdbgrid":
            raise Unavailable(
                "This MongoDB is no replica set, and transactions need one. Start mongod with "
                "--replSet and run rs.initiate() once; a set of one member is enough."
            )
        if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
            raise Unavailable(f"MongoDB {version} is too old; 5.0 or later is needed.")
        return version

    async def close(self) -> None:
        """Let go of all connections."""
        await self.client.close()


PASSING = frozenset(
    {
        *(24, 50, 64, 262),  # a lock, a command or a write concern took too long
        *(91, 189, 10107, 11600, 11602, 13435, 13436),  # the primary goes or comes
        *(112, 251),  # others were in the way
    }
)
"""Codes of MongoDB's refusals that pass with time."""

_LABELS = ("RetryableWriteError", "UnknownTransactionCommitResult")


class available:  # noqa: N801
    """Turns the failures of MongoDB that pass with time into Unavailable.

    Errors inside a transaction that ask for another try go through: the transaction tries again.
    """

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, PyMongoError):
            raise_unavailable(error)


def raise_unavailable(error: PyMongoError) -> None:
    """Raise Unavailable when `error` says that the database cannot be reached or used now."""
    if error.has_error_label("TransientTransactionError"):
        return
    if isinstance(error, ConnectionFailure | ExecutionTimeout | ConfigurationError):
        raise unreachable() from error
    if any(error.has_error_label(label) for label in _LABELS):
        raise unreachable() from error
    if isinstance(error, OperationFailure) and error.code in PASSING:
        raise unreachable() from error
    if isinstance(error, OperationFailure) and error.code in (13, 18):
        raise Unavailable(
            "The database refuses this server's user name or password; see FHIR_MONGODB_URI"
        ) from error


def unreachable() -> Unavailable:
    """The error for a database that does not answer."""
    return Unavailable(
        "The database does not answer now; try again in a moment",
        headers=[("Retry-After", "2")],
    )
