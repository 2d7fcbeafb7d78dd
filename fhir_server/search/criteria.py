"""Search criteria: a name such as `subject:Patient.name:exact` and its value, as a condition.

https://hl7.org/fhir/R4/search.html#prefix and the sections around it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from fhir_server.errors import MalformedRequest, UnsupportedParameter
from fhir_server.search.conditions import Chain, Condition, Has, Listed, Plain
from fhir_server.search.registry import Parameter, Registry
from fhir_server.search.values import parts

_MAX_DEPTH = 16
_MAX_WAYS = 500
"""How many types a chain may lead through in all when it names none."""


class UnknownParameter(UnsupportedParameter):
    """A name that the type does not have: the only refusal that lenient handling turns off."""


def split_values(raw: str) -> tuple[str, ...]:
    """The alternatives of a value: cut at commas that are not escaped, escapes kept, blanks gone.

    >>> split_values(r"a,b\\,c,,d")
    ('a', 'b\\\\,c', 'd')
    """
    if "," not in raw:
        return (raw,) if raw else ()
    return tuple(part for part in parts(raw, ",") if part)


def parse_condition(type_: str, name: str, raw: str, registry: Registry) -> Condition | None:
    """What `name=raw` asks of resources of `type_`; None where the value is empty.

    Raises UnknownParameter for a name the type does not have, with the nearest spelling, and
    UnsupportedParameter for a chain or reverse chain that cannot be followed.
    """
    values = split_values(raw)
    return _Parser(registry, name[:80], values).parse(type_, name, 0) if values else None


@dataclass(slots=True)
class _Parser:
    """One name while it is followed; `whole` is what errors call it, `ways` counts its branches."""

    registry: Registry
    whole: str
    values: tuple[str, ...]
    ways: int = 0

    def parse(self, type_: str, name: str, depth: int) -> Condition:
        self.ways += 1
        if depth > _MAX_DEPTH or self.ways > _MAX_WAYS:
            raise self._refusal(
                f"goes through more than {_MAX_DEPTH} references"
                if depth > _MAX_DEPTH
                else "leads too many ways; name the types, as in subject:Patient.name"
            )
        if name.startswith("_has:"):
            return self._has(name, depth)
        if name == "_list":
            return self._list()
        head, dot, rest = name.partition(".")
        code, colon, modifier = head.partition(":")
        parameter = self.registry.find(type_, code)
        if parameter is None:
            raise unknown(type_, code, self.registry, self.whole)
        if not dot:
            if colon and not modifier:
                raise self._refusal("no modifier after ':'")
            return Plain(parameter, modifier, self.values)
        if parameter.type != "reference":
            raise self._refusal(
                f"{type_}.{code} is of type {parameter.type}; only references can be chained"
            )
        return self._chain(parameter, modifier, rest, depth)

    def _chain(self, reference: Parameter, target: str, rest: str, depth: int) -> Chain:
        possible = reference.targets or self.registry.definitions.resource_types
        if target and target not in possible:
            raise self._refusal(
                f"{reference.code} does not point at {target[:80]}; "
                f"it points at {_listed(possible)}"
            )
        found: list[tuple[str, Condition]] = []
        refusal: UnsupportedParameter | None = None
        for type_ in (target,) if target else possible:
            try:
                found.append((type_, self.parse(type_, rest, depth + 1)))
            except UnsupportedParameter as error:
                if self.ways > _MAX_WAYS:
                    raise
                refusal = refusal or error
        if not found:
            # never an UnknownParameter: a chain that is not understood must not match everything
            raise UnsupportedParameter(str(refusal), expression=_place(self.whole)) from refusal
        return Chain(reference, tuple(found))

    def _has(self, name: str, depth: int) -> Has:
        try:
            _, type_, code, rest = name.split(":", 3)
        except ValueError:
            raise self._refusal("a reverse chain reads _has:Type:reference:parameter") from None
        types = self.registry.definitions.resource_types
        if type_ not in types:
            raise self._refusal(f"'{type_[:80]}' is no resource type{nearest(type_, types)}")
        reference = self.registry.find(type_, code)
        if reference is None or reference.type != "reference":
            known = [one.code for one in self.registry.all(type_) if one.type == "reference"]
            raise self._refusal(
                f"'{code[:80]}' is no reference parameter of {type_}{nearest(code, known)}"
            )
        try:
            condition = self.parse(type_, rest, depth + 1)
        except UnknownParameter as error:
            raise UnsupportedParameter(str(error), expression=_place(self.whole)) from error
        return Has(type_, reference, condition)

    def _list(self) -> Listed:
        for value in self.values:
            if value.startswith("$"):
                raise self._refusal(f"the server keeps no list {value[:80]}; name a List by its id")
        return Listed(tuple(value.removeprefix("List/") for value in self.values))

    def _refusal(self, text: str) -> UnsupportedParameter:
        return UnsupportedParameter(f"{self.whole}: {text}", expression=_place(self.whole))


def unknown(type_: str, code: str, registry: Registry, whole: str = "") -> UnknownParameter:
    """The refusal of a parameter that a type does not have, with the nearest spelling."""
    told = registry.waiting.get((type_, code))
    if told:
        return UnknownParameter(
            f"{type_}'s search parameter '{code}' {told}", expression=_place(whole or code)
        )
    near = registry.nearest(type_, code[:80])
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    return UnknownParameter(
        f"{type_} has no search parameter '{code[:80]}'{hint}", expression=_place(whole or code)
    )


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean x?`, or nothing where no known word is near."""
    near = get_close_matches(word[:80], list(known), 1, 0.6)
    return f"; did you mean {near[0]}?" if near else ""


def malformed(name: str, text: str) -> MalformedRequest:
    """A 400 about the value of a parameter, the parameter as its place."""
    return MalformedRequest(f"{name}: {text}", expression=_place(name))


def _place(name: str) -> str:
    return f"http.{name[:80]}"


def _listed(names: Iterable[str]) -> str:
    shown = sorted(names)
    return ", ".join(shown[:8]) + (", ..." if len(shown) > 8 else "")
