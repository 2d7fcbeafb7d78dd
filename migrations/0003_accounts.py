"""One account per sign-in name; let sessions and counts of failed sign-ins go by themselves."""

from __future__ import annotations

from pymongo import ASCENDING, IndexModel

from fhir_server.store.database import Database
from fhir_server.store.migrations import Tell

PASSING = ("sign_in_sessions", "sign_in_attempts", "sign_in_challenges")


async def apply(database: Database, tell: Tell) -> None:
    for name in PASSING:
        await database[name].create_indexes([IndexModel("forget", expireAfterSeconds=0)])
    await database["sign_in_sessions"].create_indexes([IndexModel([("account", ASCENDING)])])
    await database["accounts"].create_indexes(
        [
            IndexModel([("name", ASCENDING)], unique=True),
            # Partial, for an empty list counts as a value in a unique index.
            *(
                IndexModel(
                    [(path, ASCENDING)],
                    unique=True,
                    partialFilterExpression={path: {"$type": "string"}},
                )
                for path in ("passkeys.id", "upstream")
            ),
        ]
    )
