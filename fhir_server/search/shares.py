"""The share that one element has in the keys of its resource.

Most parameters look at one element at a time, so what they find in it is found once and kept with
the element. Composites of the resource itself take their parts from several: their sides are kept,
and joined for each resource.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fhir_server.errors import Unprocessable
from fhir_server.fhir.definitions import Definitions
from fhir_server.search.collector import Collector
from fhir_server.search.extraction import Walk
from fhir_server.search.kinds import Node
from fhir_server.search.kinds.composite import Composite, Sides, together
from fhir_server.search.registry import Parameter
from fhir_server.search.words import add_words, text_names

UNREADABLE = (ValueError, ArithmeticError, TypeError, KeyError, AttributeError)
"""What a kind may stumble over in a value that structural validation lets pass."""

Fusions = dict[int, Sides]
"""By the number of the composite: the sides found so far."""


class Share:
    """What one element adds: what was gathered for it alone, and its sides of composites."""

    __slots__ = ("_found", "_fusions")

    def __init__(self, found: Collector, fusions: Fusions) -> None:
        found.resource = {}  # which nobody should keep for the sake of one element
        self._found = found
        self._fusions = fusions

    def add_to(self, out: Collector, fusions: Fusions) -> None:
        """Put it with what other elements of the resource add."""
        out.add(self._found)
        for number, sides in self._fusions.items():
            _add_sides(fusions, number, sides)


class Shares:
    """Finds the shares of the elements of one type, for parameters that are plain paths.

    Raises Unprocessable for a value that cannot be indexed, with the parameter that it belongs to.
    """

    def __init__(
        self, definitions: Definitions, type_: str, parameters: Iterable[Parameter]
    ) -> None:
        self._type = type_
        self._names = text_names(definitions)
        self._composites: list[tuple[Parameter, Composite, frozenset[str]]] = []
        self._plain: list[Parameter] = []
        for parameter in parameters:
            if isinstance(parameter.kind, Composite) and () in (parameter.paths or ()):
                walks = [
                    walk
                    for component in parameter.components
                    for walk in (component.walks[type_], component.beyond)
                    if walk is not None
                ]
                names = frozenset(name for walk in walks for name in walk.names)
                self._composites.append((parameter, parameter.kind, names))
            else:
                self._plain.append(parameter)
        slots = {slot: parameter.paths or () for slot, parameter in enumerate(self._plain)}
        self._walk = Walk(definitions, type_, type_, slots)

        self._concerned: dict[str, tuple[int, ...]] = {}

    def share(self, name: str, value: Any, out: Collector) -> Share:
        """The share of an element; `out` is empty."""
        fusions: Fusions = {}
        self.look(name, value, out, fusions)
        return Share(out, fusions)

    def look(self, name: str, value: Any, out: Collector, fusions: Fusions) -> None:
        """Add to `out` and `fusions` what the element of a resource has."""
        part = {name: value}
        parameter = None
        try:
            if name in self._walk.names:
                for slot, nodes in self._walk.find(part, out.resource).items():
                    parameter = self._plain[slot]
                    parameter.kind.index(parameter, nodes, out)
            for number in self._about(name):
                parameter, kind, _ = self._composites[number]
                sides = kind.sides(parameter, Node(self._type, part), out)
                if sides is not None:
                    _add_sides(fusions, number, sides)
        except UNREADABLE as error:
            raise unindexable(parameter, error) from error
        if type(value) is not str or name in self._names:
            add_words(part, self._names, out.narrative, out.texts)

    def _about(self, name: str) -> tuple[int, ...]:
        """The composites that may have a part in the element."""
        found = self._concerned.get(name)
        if found is None:
            numbered = enumerate(self._composites)
            found = tuple(number for number, (_, _, names) in numbered if name in names)
            self._concerned[name] = found
        return found

    def join(self, fusions: Mapping[int, Sides], out: Collector) -> None:
        """Add the keys of the composites whose sides the elements gave."""
        for number, sides in fusions.items():
            parameter, kind, _ = self._composites[number]
            kind.join(parameter, sides, out)


def _add_sides(fusions: Fusions, number: int, sides: Sides) -> None:
    before = fusions.get(number)
    fusions[number] = sides if before is None else together(before, sides)


def unindexable(parameter: Parameter | None, error: Exception) -> Unprocessable:
    """The error for a value that a parameter cannot read, with the parameter's paths."""
    code, places = (parameter.code, parameter.terms) if parameter else ("", ())
    return Unprocessable(
        f"A value cannot be indexed for the search parameter {code}: {error}", expression=places
    )
