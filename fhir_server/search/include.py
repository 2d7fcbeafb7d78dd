"""`_include` and `_revinclude`: what is asked for, and which references answer it.

Include parameters are not split at commas; without `:iterate` they go out from the matches alone.
https://hl7.org/fhir/R4/search.html#revinclude
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fhir_server.errors import UnsupportedParameter
from fhir_server.search.criteria import UnknownParameter, nearest
from fhir_server.search.kinds.reference import CANONICAL
from fhir_server.search.registry import Registry


@dataclass(frozen=True, slots=True)
class Include:
    """One include. `source` is the type that holds the references; empty stands for any type.

    `codes` are the reference parameters to follow, empty for all of the source; `target` is the
    type of what they point at, empty for any. `reverse`: from what is pointed at to the source.
    """

    source: str
    codes: tuple[str, ...]
    target: str = ""
    iterate: bool = False
    reverse: bool = False

    def followed(self, type_: str, registry: Registry) -> tuple[str, ...]:
        """The reference parameters of `type_` that this include goes out from."""
        if self.source and self.source != type_:
            return ()
        return self.codes or references(type_, registry)


def references(type_: str, registry: Registry) -> tuple[str, ...]:
    """The codes of all reference parameters of a type."""
    return tuple(known.code for known in registry.all(type_) if known.type == "reference")


def parse_include(name: str, value: str, registry: Registry) -> Include:
    """What `_include=value` (or `_revinclude`, `:iterate`) asks for.

    Raises UnknownParameter for a type or parameter that does not exist.
    """
    code, _, modifier = name.partition(":")
    iterate, reverse = modifier == "iterate", code == "_revinclude"
    place = f"http.{name}"
    if value == "*":
        if reverse:
            raise UnsupportedParameter(
                "_revinclude=* would ask every type; name one, such as Provenance:*",
                expression=place,
            )
        return Include("", (), "", iterate, reverse)
    types = registry.definitions.resource_types
    source, *rest = value.split(":")
    if source not in types:
        raise UnknownParameter(
            f"{name}: '{source[:80]}' is no resource type{nearest(source, types)}; "
            "an include reads Type:parameter or Type:parameter:TargetType",
            expression=place,
        )
    if not 1 <= len(rest) <= 2:
        raise UnsupportedParameter(
            f"{name}: '{value[:80]}' does not read Type:parameter or Type:parameter:TargetType",
            expression=place,
        )
    target = rest[1] if len(rest) == 2 else ""
    if target and target not in types:
        raise UnknownParameter(
            f"{name}: '{target[:80]}' is no resource type{nearest(target, types)}",
            expression=place,
        )
    if rest[0] == "*":
        return Include(source, (), target, iterate, reverse)
    parameter = registry.find(source, rest[0])
    known = references(source, registry)
    if parameter is None or parameter.type != "reference":
        raise UnknownParameter(
            f"{name}: '{rest[0][:80]}' is no reference parameter of {source}"
            f"{nearest(rest[0], known)}",
            expression=place,
        )
    if target and parameter.targets and target not in parameter.targets:
        raise UnsupportedParameter(
            f"{name}: {source}.{rest[0]} does not point at {target}; it points at "
            f"{', '.join(parameter.targets[:8])}",
            expression=place,
        )
    return Include(source, (rest[0],), target, iterate, reverse)


def canonical_codes(type_: str, codes: Iterable[str], registry: Registry) -> tuple[str, ...]:
    """Those of the codes whose values may be canonical URLs."""
    found = []
    for code in codes:
        parameter = registry.find(type_, code)
        if parameter is not None and not parameter.types.isdisjoint(CANONICAL):
            found.append(code)
    return tuple(found)


def canonicals(keys: Iterable[str], codes: Iterable[str]) -> list[tuple[str, str]]:
    """(url, version) of the canonical references under `codes`; the version is empty for any."""
    wanted = frozenset(codes)
    found: dict[tuple[str, str], None] = {}
    for key in keys:
        code, equals, value = key.partition("=")
        if equals and code in wanted and ":" in value:
            url, _, version = value.partition("#")[0].partition("|")
            found[url, version] = None
    versioned = {url for url, version in found if version}
    return [(url, version) for url, version in found if version or url not in versioned]


def named_by(keys: Iterable[str]) -> tuple[str, str]:
    """The url and version that canonical references know a resource by; empty where it has none."""
    url = version = ""
    for key in keys:
        if key.startswith("url="):
            url = key[4:]
        elif key.startswith("version=") and "|" not in key:
            version = key[8:]
    return url, version


def pointed_at(
    keys: Iterable[str], codes: Iterable[str], target: str
) -> list[tuple[str, str, str]]:
    """(type, id, version) of the local references under `codes` among a resource's keys.

    The version is empty where the reference names none. Each comes once, in the order of the keys.
    """
    wanted = frozenset(codes)
    found: dict[tuple[str, str, str], None] = {}
    for key in keys:
        code, equals, value = key.partition("=")
        if not equals or code not in wanted:
            continue
        match value.split("/"):
            case [type_, id_] if type_[:1].isupper():
                found[type_, id_, ""] = None
            case [type_, id_, "_history", version] if type_[:1].isupper():
                found[type_, id_, version] = None
    versioned = {(type_, id_) for type_, id_, version in found if version}
    return [
        place
        for place in found
        if (not target or place[0] == target) and (place[2] or place[:2] not in versioned)
    ]
