"""Migrations of the database: numbered modules, each applied once and recorded by name.

A module `migrations/NNNN_name.py` has one function, `apply`, a `Migration`. It may be run again
when it was interrupted, so each step must bear that; where it takes long it tells how far it is.
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import fhir_server
from fhir_server.errors import Unavailable
from fhir_server.store import lease
from fhir_server.store.database import Database, available

PATIENCE = 600.0
"""Seconds to wait for another process that migrates."""

Tell = Callable[[str], None]
"""Called with a sentence on the progress of a migration."""

Migration = Callable[[Database, Tell], Awaitable[None]]


def _silent(text: str) -> None:
    """Tell nobody."""


def folder() -> Path:
    """Where the migrations lie: in the package when it was installed, else beside it."""
    package = Path(fhir_server.__file__).parent
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent / "migrations"


def names(within: Path | None = None) -> list[str]:
    """The names of all migrations that this program knows, in order."""
    return sorted(path.stem for path in (within or folder()).glob("[0-9]*_*.py"))


async def applied(database: Database) -> list[str]:
    """The names of those that the database has had."""
    with available():
        rows = await database["migrations"].find({}, {"_id": 1}).sort("_id").to_list()
    return [row["_id"] for row in rows]


async def pending(database: Database, within: Path | None = None) -> list[str]:
    """The names of those still to come; nothing is written."""
    had = set(await applied(database))
    return [name for name in names(within) if name not in had]


async def check(database: Database, within: Path | None = None) -> None:
    """Raise Unavailable, saying what to do, unless the database is as this program knows it."""
    had, known = set(await applied(database)), names(within)
    if unknown := sorted(had - set(known)):
        raise Unavailable(
            f"The database {database.name} is newer than this program ({unknown[-1]} was applied). "
            "Install the version of fhir-server that migrated it, or a later one."
        )
    if missing := [name for name in known if name not in had]:
        raise Unavailable(
            f"The database {database.name} is not migrated: {', '.join(missing)}. "
            "Run: fhir-server migrate"
        )


async def apply(database: Database, within: Path | None = None, tell: Tell = _silent) -> list[str]:
    """Apply what is pending, one process at a time; the names of what was applied now.

    Raises Unavailable where the database is newer than this program.
    """
    source = within or folder()
    if unknown := sorted(set(await applied(database)) - set(names(source))):
        raise Unavailable(
            f"The database {database.name} is newer than this program ({unknown[-1]} was applied)."
        )
    done: list[str] = []
    if not await pending(database, source):
        return done
    async with lease.held(database, "migrations", PATIENCE):
        # Asked again: the one who held the lease before may have applied them all.
        for name in await pending(database, source):
            await _load(source / f"{name}.py")(database, tell)
            with available():
                await database["migrations"].insert_one({"_id": name, "at": datetime.now(UTC)})
            done.append(name)
    return done


def migrate(uri: str, name: str, tell: Tell = _silent) -> list[str]:
    """Apply what is pending to a database; the names of what was applied. For commands."""

    async def run() -> list[str]:
        database = Database(uri, name)
        try:
            await database.check()
            return await apply(database, tell=tell)
        finally:
            await database.close()

    return asyncio.run(run())


def _load(path: Path) -> Migration:
    spec = importlib.util.spec_from_file_location(f"migration_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise Unavailable(f"The migration {path} cannot be read")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return cast(Migration, module.apply)
