"""`_sort`: the keys, and the order that an index gives for nothing where one does.

`_lastUpdated` lies in `u`, the type's main clinical date in `d`: these are index orders, whatever
the number of matches. Any other key sorts what the filter leaves, within `MAX_SORTED` rows.
https://hl7.org/fhir/R4/search.html#sort
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fhir_server.errors import UnsupportedParameter
from fhir_server.search.criteria import UnknownParameter, malformed, unknown
from fhir_server.search.kinds.words import Words
from fhir_server.search.registry import Parameter, Registry

MAX_SORTED = 100_000
"""The most matches that are sorted by a key that no index has in order."""


@dataclass(frozen=True, slots=True)
class SortKey:
    """One key of `_sort`: the parameter of each type searched, and the direction."""

    code: str
    descending: bool
    parameters: tuple[tuple[str, Parameter], ...]

    def parameter(self, type_: str) -> Parameter:
        """The parameter that the key names on a type that is searched."""
        return dict(self.parameters)[type_]

    @property
    def text(self) -> str:
        """The key as `_sort` writes it."""
        return f"-{self.code}" if self.descending else self.code


def parse_sort(
    types: Sequence[str], value: str, registry: Registry, *, lenient: bool
) -> tuple[tuple[SortKey, ...], list[str]]:
    """The keys of `_sort=value`, and warnings for those left out because of lenient handling.

    Raises UnknownParameter for a key that a type does not have, UnsupportedParameter for one that
    has no order.
    """
    keys: list[SortKey] = []
    warnings: list[str] = []
    for part in value.split(","):
        code = part.removeprefix("-")
        if not code:
            raise malformed("_sort", f"'{value[:80]}' has an empty key")
        try:
            key = SortKey(code, part.startswith("-"), _parameters(types, code, registry))
        except UnknownParameter as error:
            if not lenient:
                raise
            warnings.append(f"_sort: left out {part[:80]}: {error}")
            continue
        if all(key.code != known.code for known in keys):  # a repeated key orders nothing more
            keys.append(key)
    return tuple(keys), warnings


def _parameters(
    types: Sequence[str], code: str, registry: Registry
) -> tuple[tuple[str, Parameter], ...]:
    found = []
    for type_ in types:
        parameter = registry.find(type_, code)
        if parameter is None:
            raise unknown(type_, code, registry, "_sort")
        if parameter.type in ("composite", "special"):
            raise UnsupportedParameter(
                f"_sort: {type_}.{code} is of type {parameter.type}, which has no order",
                expression="http._sort",
            )
        if isinstance(parameter.kind, Words):
            raise UnsupportedParameter(
                f"_sort: {code} looks for words, which have no order", expression="http._sort"
            )
        found.append((type_, parameter))
    return tuple(found)
