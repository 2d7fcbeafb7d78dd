"""Parameters resources: what operations take and give (https://hl7.org/fhir/R4/parameters.html)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from fhir_server.errors import MalformedContent
from fhir_server.fhir.definitions import load


class Parameter(NamedTuple):
    """One parameter: `value` is JSON of the data type `type`, None where there is none (but parts).

    `type` is `Resource` for a resource, empty where there is no value. `place` is its FHIRPath.
    """

    name: str
    type: str
    value: Any
    place: str


def read(resource: dict[str, Any]) -> Iterator[Parameter]:
    """The parameters in order. Raises MalformedContent for what is no Parameters resource."""
    if resource.get("resourceType") != "Parameters":
        raise MalformedContent(
            "The body must be a Parameters resource", expression="Parameters.resourceType"
        )
    rows = resource.get("parameter", [])
    if not isinstance(rows, list):
        raise MalformedContent("parameter must be an array", expression="Parameters.parameter")
    for index, row in enumerate(rows):
        place = f"Parameters.parameter[{index}]"
        if not isinstance(row, dict) or not isinstance(row.get("name"), str):
            raise MalformedContent("A parameter must be an object with a name", expression=place)
        yield _parameter(row, place)


def write(*rows: tuple[str, str, Any]) -> dict[str, Any]:
    """A Parameters resource of (name, data type or `Resource`, value)."""
    parameters = []
    for name, type_, value in rows:
        property_ = "resource" if type_ == "Resource" else f"value{type_[:1].upper()}{type_[1:]}"
        parameters.append({"name": name, property_: value})
    return {"resourceType": "Parameters", "parameter": parameters}


def _parameter(row: dict[str, Any], place: str) -> Parameter:
    name = row["name"]
    found = [(_types()[key], value) for key, value in row.items() if key in _types()]
    if len(found) > 1:
        raise MalformedContent(f"The parameter {name} has several values", expression=place)
    type_, value = found[0] if found else ("", None)
    return Parameter(name, type_, value, place)


@cache
def _types() -> dict[str, str]:
    """JSON property of a parameter's value -> its type."""
    table = load().types["Parameters.parameter"].json
    values = {key: code for key, (element, code) in table.items() if element.name == "value"}
    return {**values, "resource": "Resource"}
