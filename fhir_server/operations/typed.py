"""Arguments of an operation as the types that its OperationDefinition gives them.

From a URL they come as text, from a Parameters resource as JSON.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from fhir_server.errors import MalformedContent, MalformedRequest
from fhir_server.exchange import FhirRequest
from fhir_server.interactions.content import read_content
from fhir_server.operations.arguments import Arguments, read_arguments
from fhir_server.services import Services

Json = dict[str, Any]

_INTEGER = re.compile(r"\d{1,9}")


class Typed:
    """The arguments of one call. All raise MalformedRequest for what is not of the type."""

    def __init__(self, arguments: Arguments, rows: Sequence[Json]) -> None:
        self._arguments = arguments
        self._rows = rows

    def text(self, name: str) -> str:
        """The only value as text, empty where there is none."""
        return self._arguments.text(name)

    def texts(self, name: str) -> list[str]:
        """All values as texts."""
        return [_text(name, value) for value in self._arguments.many(name)]

    def boolean(self, name: str) -> bool | None:
        """The only value; None where there is none."""
        value = self._arguments.one(name)
        if value is None or isinstance(value, bool):
            return value
        if value not in ("true", "false"):
            raise MalformedRequest(f"{name} must be true or false", expression=f"http.{name}")
        return bool(value == "true")

    def integer(self, name: str) -> int | None:
        """The only value, a number from 0; None where there is none."""
        value = self._arguments.one(name)
        if value is None or (type(value) is int and value >= 0):
            return value
        if not isinstance(value, str) or not _INTEGER.fullmatch(value):
            raise MalformedRequest(
                f"{name} must be a whole number from 0", expression=f"http.{name}"
            )
        return int(value)

    def object(self, name: str) -> Json | None:
        """The only value, a Coding or CodeableConcept; None where there is none."""
        value = self._arguments.one(name)
        if value is not None and not isinstance(value, dict):
            raise MalformedRequest(
                f"{name} is no text: send it in a Parameters resource, by POST",
                expression=f"http.{name}",
            )
        return value

    def objects(self, name: str) -> list[Json]:
        """All values, each a Coding or another complex type."""
        values = self._arguments.many(name)
        if any(not isinstance(value, dict) for value in values):
            raise MalformedRequest(
                f"{name} is no text: send it in a Parameters resource, by POST",
                expression=f"http.{name}",
            )
        return values

    def resource(self, name: str, type_: str) -> Json | None:
        """The only value, a resource of the type; None where there is none."""
        value = self.object(name)
        if value is not None and value.get("resourceType") != type_:
            raise MalformedContent(f"{name} must be a {type_}", expression=f"Parameters.{name}")
        return value

    def parts(self, name: str) -> list[list[Json]]:
        """The parts of each parameter of this name."""
        return [row.get("part", []) for row in self._rows if row.get("name") == name]


def typed(request: FhirRequest, services: Services, operation: str) -> Typed:
    """The arguments of a call of R4's own operation with this id (`ValueSet-expand`).

    Raises UnsupportedParameter for a name that it has not, unless handling is lenient.
    """
    definition = next(one for one in services.definitions.operations if one.id == operation)
    names = [one.name for one in definition.parameters if one.use == "in"]
    resource = None
    if request.body or request.resource is not None:
        resource = read_content(request, services).resource
    arguments = read_arguments(request, services, names, resource)
    return Typed(arguments, (resource or {}).get("parameter", []))


def part(parts: Sequence[Json], name: str) -> Any:
    """The value of the first part of this name; None where there is none."""
    for one in parts:
        if one.get("name") == name:
            return next((v for key, v in one.items() if key.startswith("value")), None)
    return None


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise MalformedContent(f"The parameter {name} must be a text", expression=name)
    return value
