"""What an operation was given: from the URL, or from a Parameters resource in the body.

https://hl7.org/fhir/R4/operations.html#executing
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from fhir_server.errors import MalformedContent, MalformedRequest, UnsupportedParameter
from fhir_server.exchange import FhirRequest
from fhir_server.fhir import parameters
from fhir_server.interactions.content import read_content
from fhir_server.interactions.searchset import is_lenient
from fhir_server.search.criteria import nearest
from fhir_server.services import Services

PRESENTATION = frozenset({"_format", "_pretty"})
"""What every request may say and the HTTP edge answers."""


class Arguments:
    """The arguments of one call by name, in the order given, those of the URL first."""

    def __init__(self, found: Sequence[tuple[str, Any]]) -> None:
        self._found = found

    def many(self, name: str) -> list[Any]:
        """All values of a parameter: text from the URL, JSON from the body."""
        return [value for known, value in self._found if known == name]

    def one(self, name: str) -> Any:
        """The only value; None where there is none. MalformedRequest for several."""
        values = self.many(name)
        if len(values) > 1:
            raise MalformedRequest(
                f"{name} is given {len(values)} times; once is enough", expression=f"http.{name}"
            )
        return values[0] if values else None

    def text(self, name: str) -> str:
        """The only value as text, empty where there is none."""
        value = self.one(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise MalformedContent(f"The parameter {name} must be a text", expression=name)
        return value


def read_arguments(
    request: FhirRequest,
    services: Services,
    names: Collection[str],
    resource: dict[str, Any] | None = None,
) -> Arguments:
    """The arguments of a call; `resource` is the body where it was read already.

    Raises UnsupportedParameter for a name that is none of `names`, unless handling is lenient;
    MalformedContent for a body that is no Parameters resource.
    """
    found: list[tuple[str, Any]] = [
        (name, value) for name, value in request.query if value and name not in PRESENTATION
    ]
    if resource is None and (request.body or request.resource):
        resource = read_content(request, services).resource
    if resource is not None:
        found += [(given.name, given.value) for given in parameters.read(resource)]
    unknown = [name for name, _ in found if name not in names]
    if unknown and not is_lenient(request, services):
        raise UnsupportedParameter(
            f"${request.target.operation} has no parameter {unknown[0][:80]}"
            f"{nearest(unknown[0], names)}; it takes {', '.join(sorted(names)) or 'none'}",
            expression=f"http.{unknown[0][:80]}",
        )
    return Arguments(found)
