"""What becomes of the members of a group of writes: stored, or each its own error."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from bson.errors import BSONError
from pymongo.errors import BulkWriteError, DocumentTooLarge, PyMongoError

from fhir_server.errors import DuplicateId, FhirError, TooLarge, Unprocessable
from fhir_server.store.version import VersionConflict

Item = TypeVar("Item")
Outcome = FhirError | None

DUPLICATE_KEY = 11000
_TOO_LARGE = (10334, 17419, 17420)
UNSTORABLE = (BSONError, DocumentTooLarge, OverflowError, UnicodeError)


async def apart_when_unstorable(
    run: Callable[[Sequence[Item]], Awaitable[Sequence[Outcome]]],
    items: Sequence[Item],
    type_: str,
) -> Sequence[Outcome]:
    """The outcomes of a group; one member that cannot be stored does not fail the others."""
    try:
        return await run(items)
    except UNSTORABLE as error:
        if len(items) == 1:
            return [unstorable(type_, error)]
        outcomes: list[Outcome] = []
        for item in items:
            outcomes += await apart_when_unstorable(run, [item], type_)
        return outcomes


def raise_too_large(error: PyMongoError) -> None:
    """Raise DocumentTooLarge where MongoDB says so: 16 KiB more than it takes pass the driver."""
    details = getattr(error, "details", None) or {}
    for fault in details.get("writeErrors") or [details]:
        text = str(fault.get("errmsg", ""))
        if fault.get("code") in _TOO_LARGE or text.startswith("object to insert too large"):
            raise DocumentTooLarge(text) from error


def faults(error: BulkWriteError) -> list[dict[str, Any]]:
    """The duplicates among the faults of a bulk; any other fault is raised."""
    found: list[dict[str, Any]] = error.details["writeErrors"]
    if error.details.get("writeConcernErrors") or any(
        fault["code"] != DUPLICATE_KEY for fault in found
    ):
        raise error
    return found


def duplicate(type_: str, id_: str) -> DuplicateId:
    """The error for an id that is taken."""
    return DuplicateId(f"{type_}/{id_} exists already")


def lost(type_: str, id_: str, version: int) -> VersionConflict:
    """The error for a write whose base is no longer current."""
    return VersionConflict(f"{type_}/{id_} is no longer at version {version}")


def unstorable(type_: str, error: Exception) -> FhirError:
    """The error for content that no MongoDB document can hold."""
    if isinstance(error, DocumentTooLarge):
        return TooLarge(f"The search keys of this {type_} are too many")
    return Unprocessable(f"This {type_} cannot be stored: {error}")
