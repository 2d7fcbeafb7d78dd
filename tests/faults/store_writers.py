"""A process of 32 writers on the store of a data folder, to be killed at any moment.

    python -m tests.faults.store_writers DATA ROUND

Each write is told on standard output once it is acknowledged, one line each: `create ID`,
`update ID VERSION`, `transaction TAG`, `delete ID`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from fhir_server.store import embedded, migrations
from fhir_server.store.connect import open_store
from fhir_server.store.resources import Session, Store
from tests.stored import OPEN, deletion, version

WRITERS = 32
DATABASE = "fhir"
TRANSACTION = ("Observation", "Patient", "Encounter", "Observation", "Condition")


def tell(line: str) -> None:
    """One line, in one system call: it is out when this returns."""
    os.write(1, f"{line}\n".encode())


async def write(store: Store, name: str) -> None:
    """Create, update and delete single resources and in transactions, until killed."""
    for number in range(1_000_000):
        id_, tag = f"{name}-{number}", f"tag={name}-{number}"
        await store.insert([version(id_, keys=[f"tag={id_}-single"])], OPEN)
        tell(f"create {id_}")
        for following in (2, 3):
            old = await store.current("Observation", id_, OPEN)
            assert old is not None
            new = version(id_, following, updated=1_000_000 * following, keys=[f"v{following}"])
            await store.replace(new, old, OPEN)
            tell(f"update {id_} {following}")

        async def together(session: Session, tag: str = tag, id_: str = id_) -> None:
            for at, type_ in enumerate(TRANSACTION):
                one = version(f"{id_}-t{at}", type_=type_, keys=[tag])
                await store.insert([one], OPEN, session)

        await store.transaction(together)
        tell(f"transaction {name}-{number}")
        if number % 3 == 0:
            old = await store.current("Observation", id_, OPEN)
            assert old is not None
            await store.replace(deletion(old, 4_000_000), old, OPEN)
            tell(f"delete {id_}")


async def run(uri: str, label: str) -> None:
    """All writers at once."""
    async with open_store(uri, DATABASE) as store:
        tell("ready")
        await asyncio.gather(*(write(store, f"{label}-{n}") for n in range(WRITERS)))


def main(data: Path, label: str) -> None:
    """Start the database, or take over the one that the last round left, and write."""
    database = embedded.start(data, cache_gb=0.5)
    tell("reused" if database.reused else "started")
    migrations.migrate(database.uri, DATABASE)
    asyncio.run(run(database.uri, label))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
