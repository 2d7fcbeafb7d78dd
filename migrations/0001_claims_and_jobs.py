"""Make the collections that are not of a resource type, and their indexes."""

from __future__ import annotations

from pymongo import ASCENDING, IndexModel

from fhir_server.store.database import Database
from fhir_server.store.migrations import Tell


async def apply(database: Database, tell: Tell) -> None:
    # A claim is of use for as long as its transaction runs; a day is far beyond that.
    await database["claims"].create_indexes([IndexModel("at", expireAfterSeconds=86_400)])
    await database["jobs"].create_indexes(
        [IndexModel([("kind", ASCENDING), ("state", ASCENDING), ("created", ASCENDING)])]
    )
