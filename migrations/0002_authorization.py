"""Let what the authorization server keeps for a time go by itself, and find it by its family."""

from __future__ import annotations

from pymongo import ASCENDING, IndexModel

from fhir_server.store.database import Database
from fhir_server.store.migrations import Tell

PASSING = (
    "auth_pending",
    "auth_launches",
    "auth_codes",
    "auth_refresh",
    "auth_families",
    "auth_revoked",
    "auth_assertions",
)


async def apply(database: Database, tell: Tell) -> None:
    for name in PASSING:
        await database[name].create_indexes([IndexModel("forget", expireAfterSeconds=0)])
    await database["auth_families"].create_indexes(
        [
            IndexModel([("subject", ASCENDING)]),
            IndexModel([("session", ASCENDING)]),
            IndexModel([("client_id", ASCENDING)]),
        ]
    )
