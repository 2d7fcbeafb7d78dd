"""The packages that were loaded: what they say of themselves, and which resources are theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from fhir_server.store.database import Database, available

__all__ = ["LoadedPackage", "Packages"]


@dataclass(frozen=True, slots=True)
class LoadedPackage:
    """One package; `added` is in microseconds since 1970 UTC, `resources` are `Type/id`."""

    name: str
    version: str
    title: str
    canonical: str
    licence: str
    added: int
    dependencies: dict[str, str]
    resources: Sequence[str]

    @property
    def id(self) -> str:
        """`name#version`."""
        return f"{self.name}#{self.version}"


class Packages:
    """The collection `packages`."""

    def __init__(self, database: Database) -> None:
        self._rows = database["packages"]

    async def all(self) -> list[LoadedPackage]:
        """All of them, by name and version. Unavailable."""
        with available():
            rows = await self._rows.find().sort("_id").to_list()
        return [
            LoadedPackage(
                **{k: v for k, v in row.items() if k not in ("_id", "dependencies")},
                dependencies=dict(row["dependencies"]),
            )
            for row in rows
        ]

    async def put(self, package: LoadedPackage) -> None:
        """Note a package, in the place of the same version of it. Unavailable."""
        # Names of packages have dots, which names of fields in MongoDB must not have.
        row = asdict(package) | {
            "dependencies": [list(pair) for pair in package.dependencies.items()],
            "resources": list(package.resources),
        }
        with available():
            await self._rows.replace_one({"_id": package.id}, row, upsert=True)
