"""A look at the database from outside: what `fhir-server doctor` reports of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

from fhir_server.errors import Unavailable
from fhir_server.store import migrations
from fhir_server.store.database import Database, available
from fhir_server.store.indexes import CURRENT, HISTORY, Collections

_PRIMARY, _SECONDARY, _ARBITER = 1, 2, 7


class Finding(NamedTuple):
    """One thing looked at; `advice` says what to do where it is not `sound`."""

    subject: str
    sound: bool
    detail: str
    advice: str = ""


async def examine(uri: str, name: str) -> AsyncIterator[Finding]:
    """Findings on the connection, the replica set, the migrations and the indexes, in this order.

    Ends after the first where the database cannot be reached.
    """
    try:
        database = Database(uri, name)
    except Unavailable as error:
        yield Finding("database", False, str(error), "Mend FHIR_MONGODB_URI.")
        return
    try:
        try:
            version = await database.check()
        except Unavailable as error:
            yield Finding("database", False, str(error), "Start it, or mend FHIR_MONGODB_URI.")
            return
        yield Finding("database", True, f"MongoDB {version}, database {name}")
        for look in (_replica_set, _migrations, _indexes):
            yield await look(database)
    finally:
        await database.close()


async def _replica_set(database: Database) -> Finding:
    with available():
        hello = await database.client.admin.command("hello")
    if hello.get("msg") == "isdbgrid":
        return Finding("replica set", True, "a sharded cluster")
    if not hello.get("isWritablePrimary"):
        return Finding(
            "replica set", False, f"{hello.get('setName')} has no primary that is reached",
            "See rs.status() on a member: most members must be up and see each other.",
        )  # fmt: skip
    with available():
        status = await database.client.admin.command("replSetGetStatus")
    states = [member["state"] for member in status["members"]]
    down = [
        member["name"]
        for member in status["members"]
        if member["state"] not in (_PRIMARY, _SECONDARY, _ARBITER)
    ]
    text = f"{status['set']}, {len(states)} member{'s' if len(states) > 1 else ''}"
    if down:
        return Finding("replica set", False, f"{text}, down: {', '.join(down)}", "Start them.")
    return Finding("replica set", True, text)


async def _migrations(database: Database) -> Finding:
    try:
        await migrations.check(database)
    except Unavailable as error:
        return Finding("migrations", False, str(error), "Run: fhir-server migrate")
    had = await migrations.applied(database)
    return Finding("migrations", True, f"{len(had)} applied, none to come")


async def _indexes(database: Database) -> Finding:
    collections = Collections(database)
    types = await collections.types()
    missing: list[str] = []
    for type_ in types:
        pairs = ((collections.current(type_), CURRENT), (collections.history(type_), HISTORY))
        for collection, declared in pairs:
            with available():
                there = await collection.index_information()
            missing += [f"{collection.name}.{index}" for index in declared if index not in there]
    if missing:
        return Finding(
            "indexes", False, f"missing: {', '.join(missing)}",
            "Start the server: it makes the indexes of a type before the first write to it.",
        )  # fmt: skip
    return Finding("indexes", True, f"complete on {len(types)} resource types")
