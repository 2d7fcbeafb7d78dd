"""JSON Patch (RFC 6902) of a resource, by the library `jsonpatch`.

https://hl7.org/fhir/R4/http.html#patch
"""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import jsonpatch
import jsonpointer

from fhir_server.errors import MalformedContent, Unprocessable
from fhir_server.fhir import codec
from fhir_server.fhir.codec import Resource

_OPERATIONS = ("add", "remove", "replace", "move", "copy", "test")


def json_patch(resource: Resource, body: bytes) -> Resource:
    """The resource with every operation of the patch done; the one given stays as it was.

    An array or object that loses its last member goes too, since FHIR has no empty ones. Raises
    MalformedContent for what is no JSON Patch, Unprocessable for an operation that cannot be done
    or a `test` that fails; the message names the operation and its path.
    """
    operations = [
        _checked(operation, index) for index, operation in enumerate(codec.decode_array(body))
    ]
    document: Any = copy.deepcopy(resource)
    type_ = str(resource.get("resourceType", ""))
    for index, operation in enumerate(operations):
        document = _apply(document, operation, index, type_)
    for operation in operations:
        if operation["op"] in ("remove", "move"):
            _prune(document, operation["from" if operation["op"] == "move" else "path"])
    if not isinstance(document, dict):
        raise Unprocessable("The patch leaves no resource; its root must stay a JSON object")
    return document


def _checked(operation: Any, index: int) -> dict[str, Any]:
    name = f"Operation {index}"
    if not isinstance(operation, dict):
        raise MalformedContent(f"{name} of the JSON Patch is not a JSON object")
    if operation.get("op") not in _OPERATIONS:
        raise MalformedContent(
            f"{name} of the JSON Patch has the op {operation.get('op')!r}; "
            f"use {', '.join(_OPERATIONS)}"
        )
    pointers = ("path", "from") if operation["op"] in ("move", "copy") else ("path",)
    for member in pointers:
        if not _is_pointer(operation.get(member)):
            raise MalformedContent(
                f"{name} of the JSON Patch has the {member} {operation.get(member)!r}; "
                "it must be a JSON Pointer such as /name/0/family"
            )
    if operation["op"] in ("add", "replace", "test") and "value" not in operation:
        raise MalformedContent(f"{name} of the JSON Patch ({operation['op']}) has no value")
    return operation


def _is_pointer(value: Any) -> bool:
    try:
        return isinstance(value, str) and jsonpointer.JsonPointer(value) is not None
    except jsonpointer.JsonPointerException:
        return False


def _apply(document: Any, operation: dict[str, Any], index: int, type_: str) -> Any:
    op, path = operation["op"], operation["path"]
    try:
        if op == "remove" and path == "":
            raise jsonpatch.JsonPatchConflict("the whole resource cannot be removed")
        if op == "test":
            _test(document, path, operation["value"])
            return document
        return jsonpatch.JsonPatch([copy.deepcopy(operation)]).apply(document, in_place=True)
    except (
        jsonpatch.JsonPatchException,
        jsonpointer.JsonPointerException,
        TypeError,
        LookupError,
    ) as error:
        raise Unprocessable(
            f"Operation {index} of the JSON Patch ({op} {path or 'of the whole'}) "
            f"cannot be done: {error}",
            expression=_place(path, type_),
        ) from None


def _test(document: Any, path: str, expected: Any) -> None:
    found = jsonpointer.resolve_pointer(document, path)
    if not _equal(found, expected):
        raise jsonpatch.JsonPatchTestFailed(
            f"the value there is {codec.encode(found)[:200].decode(errors='replace')}"
        )


def _equal(one: Any, other: Any) -> bool:
    """Equality of JSON: numbers by value, and `true` is not 1 as it is in Python."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | Decimal) and isinstance(other, int | Decimal):
        return one == other
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_equal(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other)


def _prune(document: Any, path: str) -> None:
    """Removes what was emptied at the pointer's parent, and what that empties in turn."""
    parts = jsonpointer.JsonPointer(path).parts[:-1]
    while parts:
        pointer = jsonpointer.JsonPointer.from_parts(parts)
        if pointer.resolve(document, None) not in ([], {}):
            return
        holder, last = pointer.to_last(document)
        del holder[last]
        parts = parts[:-1]


def _place(path: str, type_: str) -> str:
    """A JSON Pointer as FHIRPath: `/name/0/given` of a Patient is `Patient.name[0].given`."""
    place = type_
    for part in jsonpointer.JsonPointer(path).parts:
        place += f"[{part}]" if part.isdigit() else f".{part}"
    return place
