"""A search read from the pairs that ask for it, one after the other.

Nothing is ignored silently: what is not understood is refused with the nearest spelling, or, with
lenient handling, left out of `applied` (the self link) and told in `warnings`.
https://hl7.org/fhir/R4/search.html#errors
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fhir_server.errors import UnsupportedParameter
from fhir_server.search import cursor, filter_expression
from fhir_server.search.conditions import Condition
from fhir_server.search.criteria import (
    UnknownParameter,
    malformed,
    nearest,
    parse_condition,
    unknown,
)
from fhir_server.search.filter_expression import parse_filter
from fhir_server.search.include import Include, parse_include
from fhir_server.search.registry import Registry
from fhir_server.search.request import Paging, Pairs, SearchRequest
from fhir_server.search.sort import SortKey, parse_sort

UNSUPPORTED = {
    "_query": "there are no named queries",
    "_type": "it belongs to searches across types: [base]?_type=A,B",
}
"""Parameters of R4 that are refused by name, with the reason."""


def parse(
    types: Sequence[str],
    pairs: Pairs,
    registry: Registry,
    *,
    lenient: bool = False,
    paging: Paging = Paging(),
) -> SearchRequest:
    """The search that `pairs` ask for on `types` (one, or several that share the parameters).

    Raises UnsupportedParameter for what is not known or not supported (an unknown name only
    unless `lenient`), MalformedRequest for a result parameter's value that is none.
    """
    reading = _Reading(types, registry, lenient, paging)
    for name, value in pairs:
        if value:
            reading.take(name, value)
    return reading.finish()


@dataclass(slots=True)
class _Reading:
    """A search while its pairs are read, one after the other."""

    types: Sequence[str]
    registry: Registry
    lenient: bool
    paging: Paging
    conditions: dict[str, list[Condition]] = field(init=False)
    applied: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    once: dict[str, str] = field(default_factory=dict)
    sort: tuple[SortKey, ...] = ()
    includes: list[Include] = field(default_factory=list)
    elements: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.conditions = {type_: [] for type_ in self.types}

    def take(self, name: str, value: str) -> None:
        try:
            taker = _TAKERS.get(name)
            if taker is not None:
                taker(self, name, value)
            elif name.partition(":")[0] in RESULT_PARAMETERS:
                self._modified(name, value)
            else:
                self._criterion(name, value)
        except UnknownParameter as error:
            if not self.lenient:
                raise
            self.warnings.append(f"ignored {name[:80]}: {error}")

    def _criterion(self, name: str, value: str) -> None:
        if name in UNSUPPORTED:
            raise UnknownParameter(f"{name}: {UNSUPPORTED[name]}", expression=f"http.{name}")
        found: list[tuple[str, Condition]] = []
        for type_ in self.types:
            try:
                condition: Condition | None
                if name == filter_expression.NAME:
                    condition = parse_filter(type_, value, self.registry)
                else:
                    condition = parse_condition(type_, name, value, self.registry)
            except UnknownParameter as error:
                raise self._better(error, type_, name) from None
            if condition is not None:
                found.append((type_, condition))
        for type_, condition in found:
            self.conditions[type_].append(condition)
        if found:
            self.applied.append((name, value))

    def _better(self, error: UnknownParameter, type_: str, name: str) -> UnknownParameter:
        code = name.partition(":")[0].partition(".")[0]
        if len(self.types) > 1:
            return UnknownParameter(
                f"'{code[:80]}' is not a parameter of every type searched ({type_} has none)",
                expression=error.issues[0].expression,
            )
        if not code.startswith("_"):
            return error
        near = nearest(code, RESULT_PARAMETERS)
        return (
            unknown(type_, code, self.registry, name)
            if not near
            else UnknownParameter(
                f"{type_} has no search parameter '{code[:80]}'{near}",
                expression=f"http.{name[:80]}",
            )
        )

    def _modified(self, name: str, value: str) -> None:
        code, _, modifier = name.partition(":")
        if code not in ("_include", "_revinclude") or modifier != "iterate":
            raise UnsupportedParameter(
                f"{code} has no modifier ':{modifier[:80]}'"
                + ("; use :iterate" if code.endswith("include") else ""),
                expression=f"http.{name[:80]}",
            )
        self._include(name, value)

    def _single(self, name: str, value: str) -> None:
        if self.once.setdefault(name, value) != value:
            raise malformed(name, f"was given twice, as {self.once[name][:40]} and {value[:40]}")

    def _choice(self, name: str, value: str) -> None:
        if value not in _CHOICES[name]:
            raise malformed(name, f"'{value[:40]}' is none of {', '.join(_CHOICES[name])}")
        self._once(name, value)

    def _once(self, name: str, value: str) -> None:
        known = name in self.once
        self._single(name, value)
        if not known:
            self.applied.append((name, value))

    def _count(self, name: str, value: str) -> None:
        if not (value.isascii() and value.isdigit()):
            raise malformed(name, f"'{value[:40]}' is no whole number from 0")
        digits = value.lstrip("0")[:10] or "0"
        self._single(name, str(min(int(digits), self.paging.most)))

    def _maxresults(self, name: str, value: str) -> None:
        if not (value.isascii() and value.isdigit() and value.strip("0") and len(value) < 10):
            raise malformed(name, f"'{value[:40]}' is no whole number from 1")
        self._once(name, value)

    def _sort(self, name: str, value: str) -> None:
        self._single(name, value)
        if self.sort:
            return
        keys, warnings = parse_sort(self.types, value, self.registry, lenient=self.lenient)
        self.sort = keys
        self.warnings += warnings
        if keys:
            self.applied.append((name, ",".join(key.text for key in keys)))

    def _include(self, name: str, value: str) -> None:
        include = parse_include(name, value, self.registry)
        if include not in self.includes:
            self.includes.append(include)
            self.applied.append((name, value))

    def _elements(self, name: str, value: str) -> None:
        self.elements += [part for part in value.split(",") if part]
        self.applied.append((name, value))

    def _present(self, name: str, value: str) -> None:
        self.applied.append((name, value))

    def finish(self) -> SearchRequest:
        summary = self.once.get("_summary", "")
        if summary == "text" and self.includes:
            raise malformed("_summary", "text cannot be asked for together with includes")
        if summary and summary != "false" and self.elements:
            raise malformed("_elements", f"cannot be asked for together with _summary={summary}")
        count = int(self.once.get("_count", min(self.paging.default, self.paging.most)))
        self.applied.append(("_count", str(count)))
        return SearchRequest(
            {type_: tuple(conditions) for type_, conditions in self.conditions.items()},
            count,
            self.once.get("_total", ""),
            self.sort,
            summary,
            tuple(self.elements),
            tuple(self.includes),
            tuple(self.applied),
            tuple(self.warnings),
            self.once.get(cursor.PARAMETER, ""),
            int(self.once["_maxresults"]) if "_maxresults" in self.once else None,
            self.once.get("_contained", "false"),
            self.once.get("_containedType", "container"),
        )


_CHOICES = {
    "_contained": ("true", "both", "false"),
    "_containedType": ("container", "contained"),
    "_total": ("none", "estimate", "accurate"),
    "_summary": ("true", "text", "data", "count", "false"),
}

_TAKERS: dict[str, Callable[[_Reading, str, str], None]] = {
    "_count": _Reading._count,
    "_maxresults": _Reading._maxresults,
    "_total": _Reading._choice,
    "_summary": _Reading._choice,
    "_sort": _Reading._sort,
    "_elements": _Reading._elements,
    "_include": _Reading._include,
    "_revinclude": _Reading._include,
    "_contained": _Reading._choice,
    "_containedType": _Reading._choice,
    "_format": _Reading._present,
    "_pretty": _Reading._present,
    cursor.PARAMETER: _Reading._single,
}

RESULT_PARAMETERS = frozenset(_TAKERS)
"""The parameters that shape the answer and leave out nothing that matches."""
