"""The share that one element has in the keys of its resource.

Most parameters look at one element at a time, so what they find in it is found once and kept with
the element. Composites of the resource itself take their parts from several: the parts are kept,
and joined for each resource.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from fhir_server.errors import Unprocessable
from fhir_server.fhir.definitions import Definitions, Element
from fhir_server.search.collector import Collector
from fhir_server.search.entries import NOTED
from fhir_server.search.extraction import Walk, nodes_of
from fhir_server.search.kinds import Node
from fhir_server.search.kinds.composite import Composite, values_of
from fhir_server.search.registry import Component, Parameter
from fhir_server.search.words import add_words, text_names

UNREADABLE = (ValueError, ArithmeticError, TypeError, KeyError, AttributeError)
"""What a kind may stumble over in a value that structural validation lets pass."""

_NO_PART = -1


class _Part(NamedTuple):
    """Values that composites are joined of, found once however many composites have them."""

    parameter: Parameter
    component: Component
    walk: Walk


class _Joint(NamedTuple):
    """A composite with its parts and their numbers: of the values, and of those beyond."""

    parameter: Parameter
    kind: Composite
    sides: list[tuple[Component, int, int]]


class _Heard(NamedTuple):
    """Who looks at the elements of one name, all of which have one type.

    `plain` are the parameters of which the element itself is the value; None where one of them
    looks for something in it. `parts` likewise: with a walk where that has to look.
    """

    type: str
    plain: list[Parameter] | None
    parts: list[tuple[int, _Part, Walk | None]]


class Shares:
    """Finds the shares of the elements of one type, for parameters that are plain paths.

    Raises Unprocessable for a value that cannot be indexed, with the parameter that it belongs to.
    """

    def __init__(
        self, definitions: Definitions, type_: str, parameters: Iterable[Parameter]
    ) -> None:
        self._names = text_names(definitions)
        self._plain: list[Parameter] = []
        self._parts: dict[object, _Part] = {}
        self._joints: dict[int, list[_Joint]] = {}
        for parameter in parameters:
            if isinstance(parameter.kind, Composite) and () in (parameter.paths or ()):
                self._add_joint(parameter, parameter.kind, type_)
            else:
                self._plain.append(parameter)
        slots = {slot: one.paths or () for slot, one in enumerate(self._plain)}
        self._walk = Walk(definitions, type_, type_, slots)
        names = set().union(self._walk.names, *(one.walk.names for one in self._parts.values()))
        json = definitions.types[type_].json
        self._heard = {name: self._hearers(name, *json[name]) for name in names}
        self.mute = frozenset(self._silent(definitions, type_))
        """The names of the elements that have no share, whatever their value."""
        noted = [
            Walk(definitions, type_, type_, {0: one.paths or ()}).names
            for one in self._plain
            if one.code in NOTED or one.type == "reference"  # of which compartments are made
        ]
        self.noted = frozenset(name for names in noted for name in names)
        """The names of the elements whose keys are not simply entries of the index."""

    def _add_joint(self, parameter: Parameter, kind: Composite, type_: str) -> None:
        sides = []
        for one in parameter.components:
            what = (one.parameter.url, one.expressions)
            own = self._number((*what, "own"), _Part(parameter, one, one.walks[type_]))
            beyond = (
                _NO_PART
                if one.beyond is None
                else self._number((*what, "beyond"), _Part(parameter, one, one.beyond))
            )
            sides.append((one, own, beyond))
        joint = _Joint(parameter, kind, sides)
        # Noted at the last part: the first one, a code, is in resources without the others too.
        for number in sides[-1][1:] if sides else ():
            self._joints.setdefault(number, []).append(joint)

    def _number(self, what: object, part: _Part) -> int:
        self._parts.setdefault(what, part)
        return list(self._parts).index(what)

    def _silent(self, definitions: Definitions, type_: str) -> Iterator[str]:
        yield "resourceType"
        heard = self._heard.keys() | self._names
        for name, (_, code) in definitions.types[type_].json.items():
            if name not in heard and definitions.types[code].kind == "primitive-type":
                yield name

    def _hearers(self, name: str, element: Element, code: str) -> _Heard:
        slots = self._walk.slots(name)
        plain = None if slots is None else [self._plain[slot] for slot in slots]
        parts = [
            (number, part, None if part.walk.slots(name) == [0] else part.walk)
            for number, part in enumerate(self._parts.values())
            if name in part.walk.names
        ]
        return _Heard(element.content or code, plain, parts)

    def look(self, name: str, value: Any, out: Collector) -> None:
        """Add to `out` what the element of a resource has."""
        heard = self._heard.get(name)
        if heard is not None:
            type_, plain, parts = heard
            found: Sequence[Node]
            nodes = nodes_of(type_, value)
            parameter: Parameter | None = None
            try:
                if plain is None:
                    for slot, some in self._walk.find({name: value}, out.resource).items():
                        parameter = self._plain[slot]
                        parameter.kind.index(parameter, some, out)
                elif nodes:
                    for parameter in plain:
                        parameter.kind.index(parameter, nodes, out)
                for number, part, walk in parts:
                    parameter = part.parameter
                    found = nodes if walk is None else walk.one({name: value}, out.resource)
                    values = values_of(part.component, found, out)
                    if values is not None:
                        out.add_part(number, values)
            except UNREADABLE as error:
                raise unindexable(parameter, error) from error
        if type(value) is not str or name in self._names:
            add_words(name, value, self._names, out.narrative, out.texts)

    def join(self, out: Collector) -> None:
        """Add the keys of the composites of whose parts the elements gave one or more."""
        parts, joints = out.parts, self._joints
        get = parts.get
        for number in parts:
            if number in joints:
                for parameter, kind, sides in joints[number]:
                    found = [(part, get(own), get(beyond)) for part, own, beyond in sides]
                    kind.join(parameter, found, out)


def unindexable(parameter: Parameter | None, error: Exception) -> Unprocessable:
    """The error for a value that a parameter cannot read, with the parameter's paths."""
    code, places = (parameter.code, parameter.terms) if parameter else ("", ())
    return Unprocessable(
        f"A value cannot be indexed for the search parameter {code}: {error}", expression=places
    )
