"""The share that one element has in the keys of its resource.

Most parameters look at one element at a time, so what they find in it is found once and kept with
the element. Composites of the resource itself take their parts from several: the parts are kept,
and joined for each resource.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from fhir_server.errors import Unprocessable
from fhir_server.fhir.definitions import Definitions
from fhir_server.search.collector import Collector
from fhir_server.search.extraction import Walk
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
    """A composite with the numbers of its parts: of each its values, and those beyond."""

    parameter: Parameter
    kind: Composite
    sides: list[tuple[int, int]]


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
        self._concerned: dict[str, list[tuple[int, _Part]]] = {}
        for number, part in enumerate(self._parts.values()):
            for name in part.walk.names:
                self._concerned.setdefault(name, []).append((number, part))
        self.mute = frozenset(self._silent(definitions, type_))
        """The names of the elements that have no share, whatever their value."""

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
            sides.append((own, beyond))
        joint = _Joint(parameter, kind, sides)
        # Noted at the last part: the first one, a code, is in resources without the others too.
        for number in sides[-1] if sides else ():
            self._joints.setdefault(number, []).append(joint)

    def _number(self, what: object, part: _Part) -> int:
        self._parts.setdefault(what, part)
        return list(self._parts).index(what)

    def _silent(self, definitions: Definitions, type_: str) -> Iterator[str]:
        yield "resourceType"
        heard = self._walk.names | self._concerned.keys() | self._names
        for name, (_, code) in definitions.types[type_].json.items():
            if name not in heard and definitions.types[code].kind == "primitive-type":
                yield name

    def look(self, name: str, value: Any, out: Collector) -> None:
        """Add to `out` what the element of a resource has."""
        part = {name: value}
        parameter: Parameter | None = None
        try:
            if name in self._walk.names:
                for slot, nodes in self._walk.find(part, out.resource).items():
                    parameter = self._plain[slot]
                    parameter.kind.index(parameter, nodes, out)
            for number, one in self._concerned.get(name, ()):
                parameter = one.parameter
                values = values_of(one.component, one.walk, part, out)
                if values is not None:
                    out.add_part(number, values)
        except UNREADABLE as error:
            raise unindexable(parameter, error) from error
        if type(value) is not str or name in self._names:
            add_words(part, self._names, out.narrative, out.texts)

    def join(self, out: Collector) -> None:
        """Add the keys of the composites of whose parts the elements gave one or more."""
        get = out.parts.get
        for number in out.parts:
            for parameter, kind, sides in self._joints.get(number, ()):
                kind.join(parameter, [(get(own), get(beyond)) for own, beyond in sides], out)


def unindexable(parameter: Parameter | None, error: Exception) -> Unprocessable:
    """The error for a value that a parameter cannot read, with the parameter's paths."""
    code, places = (parameter.code, parameter.terms) if parameter else ("", ())
    return Unprocessable(
        f"A value cannot be indexed for the search parameter {code}: {error}", expression=places
    )
