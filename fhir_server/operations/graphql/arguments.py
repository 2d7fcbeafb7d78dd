"""The arguments of a field: their values, and FHIR's list navigation by them.

https://hl7.org/fhir/R4/graphql.html#list
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from graphql import ConstDirectiveNode, DirectiveNode, FieldNode, value_from_ast_untyped

from fhir_server.errors import MalformedRequest
from fhir_server.fhir import fhirpath

MAX_EXPRESSION = 1000
"""Characters of a FHIRPath expression in an argument."""

NAVIGATION = ("_count", "_offset", "fhirpath")
"""Arguments of every complex element; any other is the name of a child and its value."""

CURSORS = ("_cursor", "cursor")
"""What continues a Connection; the specification has it by both names."""


def arguments(
    node: FieldNode | DirectiveNode | ConstDirectiveNode, variables: Mapping[str, Any]
) -> dict[str, Any]:
    """The arguments by name; those that are null or a variable without a value are left out."""
    found = {
        argument.name.value: value_from_ast_untyped(argument.value, dict(variables))
        for argument in node.arguments or ()
    }
    return {name: value for name, value in found.items() if value is not None}


def whole(name: str, value: Any) -> int:
    """A count or offset. Raises MalformedRequest unless it is a whole number from 0."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise MalformedRequest(f"{name} must be a whole number from 0, not {str(value)[:40]}")


def navigated(
    items: Sequence[Any],
    given: Mapping[str, Any],
    parent: Any,
    parent_type: str,
    name: str,
) -> Sequence[Any]:
    """Those items of the list `parent.name` that the arguments keep, in their order.

    By the values of children first, then by `fhirpath`, at last `_offset` and `_count`.
    """
    kept = list(items)
    for key, wanted in given.items():
        if key not in NAVIGATION:
            texts = {as_text(one) for one in (wanted if isinstance(wanted, list) else [wanted])}
            kept = [item for item in kept if isinstance(item, dict) and _has(item, key, texts)]
    if "fhirpath" in given:
        kept = _where(kept, str(given["fhirpath"]), parent, parent_type, name)
    start, end = span(given)
    return kept[start:end]


def span(given: Mapping[str, Any]) -> tuple[int, int | None]:
    """Which of a list `_offset` and `_count` ask for: the first, and the one after the last."""
    start = whole("_offset", given["_offset"]) if "_offset" in given else 0
    return start, start + whole("_count", given["_count"]) if "_count" in given else None


def fits(resource: dict[str, Any], expression: str) -> bool:
    """Whether `fhirpath` among the arguments of a search keeps the resource."""
    type_ = resource["resourceType"]
    return bool(_evaluated(f"{type_}.where", expression, resource, type_))


def as_text(value: Any) -> str:
    """A scalar as FHIR writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        value = Decimal(repr(value))
    return str(value)


def _has(item: dict[str, Any], key: str, texts: set[str]) -> bool:
    value = item.get(key)
    values = value if isinstance(value, list) else [value]
    return any(one is not None and as_text(one) in texts for one in values)


def _where(kept: list[Any], expression: str, parent: Any, parent_type: str, name: str) -> list[Any]:
    narrowed = {**parent, name: kept} if isinstance(parent.get(name), list) else parent
    return _evaluated(f"`{name}`.where", expression, narrowed, parent_type)


def _evaluated(where: str, expression: str, value: Any, type_: str) -> list[Any]:
    if len(expression) > MAX_EXPRESSION:
        raise MalformedRequest(f"fhirpath may have {MAX_EXPRESSION} characters")
    try:
        fhirpath.compile(expression)  # by itself, so that it cannot leave the brackets
        return fhirpath.compile(f"{where}({expression})").evaluate(value, type_=type_)
    except fhirpath.FhirPathError as error:
        raise MalformedRequest(f"fhirpath: {error}") from None
