"""SearchParameter resources of this server's users: read, and held against what there is.

https://hl7.org/fhir/R4/searchparameter.html
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import msgspec

from fhir_server.errors import Issue
from fhir_server.fhir import fhirpath
from fhir_server.fhir.definitions import Component, Definitions, SearchParameter
from fhir_server.search.cursor import PARAMETER as CURSOR
from fhir_server.search.registry import ABSTRACT, Registry

TYPE = "SearchParameter"

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_RESERVED = frozenset({"in", "id", CURSOR})
_MAX_EXPRESSION = 4000


def definition_of(resource: dict[str, Any], definitions: Definitions) -> SearchParameter | None:
    """The parameter that a SearchParameter resource adds; None where it adds none.

    One adds a parameter while its status is active, unless it is one of R4's own.
    """
    url = str(resource.get("url", ""))
    if resource.get("status") != "active" or url in _r4(definitions):
        return None
    return SearchParameter(
        code=str(resource.get("code", "")),
        url=url,
        name=str(resource.get("name", "")),
        type=str(resource.get("type", "")),
        base=tuple(resource.get("base", ())),
        expression=resource.get("expression"),
        target=tuple(resource.get("target", ())),
        components=tuple(
            Component(str(one.get("definition", "")), str(one.get("expression", "")))
            for one in resource.get("component", ())
        ),
        multiple_or=resource.get("multipleOr", True),
        multiple_and=resource.get("multipleAnd", True),
        description=str(resource.get("description", "")),
    )


def digest(definition: SearchParameter) -> str:
    """What tells apart definitions whose keys differ."""
    keyed = (
        definition.code,
        definition.type,
        sorted(definition.base),
        definition.expression,
        sorted(definition.target),
        [(one.definition, one.expression) for one in definition.components],
    )
    return hashlib.sha256(msgspec.json.encode(keyed)).hexdigest()


def faults(definition: SearchParameter, registry: Registry) -> list[Issue]:
    """Why a parameter cannot be added to the registry; nothing where it can."""
    own = registry.remove(definition.url)
    return [
        Issue("error", code, text, (f"{TYPE}.{place}",))
        for place, code, text in _faults(definition, own)
    ]


def types_of(definition: SearchParameter, definitions: Definitions) -> tuple[str, ...]:
    """The resource types that have the parameter, sorted."""
    return tuple(
        type_
        for type_ in definitions.resource_types
        if any(definitions.is_a(type_, base) for base in definition.base)
    )


def _faults(definition: SearchParameter, registry: Registry) -> Iterator[tuple[str, str, str]]:
    definitions = registry.definitions
    code, kind = definition.code, definition.type
    if not _CODE.fullmatch(code) or code in _RESERVED:
        yield (
            "code",
            "invalid",
            f"'{code[:80]}' cannot be a parameter's name: it begins with a letter and has up to 64 "
            "letters, digits, '-' and '_'",
        )
        return
    unknown = [
        base for base in definition.base
        if base not in ABSTRACT and not definitions.is_resource(base)
    ]  # fmt: skip
    if unknown or not definition.base:
        yield "base", "invalid", f"{', '.join(unknown) or 'No base'} is no resource type of R4"
        return
    if kind == "special":
        yield "type", "not-supported", "A parameter of type special cannot be added"
        return
    yield from _clashes(definition, registry)
    if not definition.expression:
        yield "expression", "required", "There is no expression; it says where the values are"
        return
    if len(definition.expression) > _MAX_EXPRESSION:
        yield "expression", "too-long", f"The expression has more than {_MAX_EXPRESSION} characters"
        return
    try:
        for type_ in _checked_types(definition):
            fhirpath.compile(definition.expression, strict=type_ not in ABSTRACT).evaluate(
                {"resourceType": type_} if type_ not in ABSTRACT else {"resourceType": "Basic"}
            )
    except fhirpath.ExecutionFault:
        pass  # an empty resource need not fit
    except fhirpath.FhirPathError as error:
        yield "expression", "invalid", f"The expression cannot be used: {error}"
        return
    if kind == "composite":
        yield from _component_faults(definition, registry)
    else:
        yield from _type_faults(definition, registry)


def _checked_types(definition: SearchParameter) -> tuple[str, ...]:
    """An expression of several types speaks of each of them: only a single one is held to it."""
    return definition.base if len(definition.base) == 1 else ("Resource",)


def _clashes(definition: SearchParameter, registry: Registry) -> Iterator[tuple[str, str, str]]:
    for type_ in types_of(definition, registry.definitions):
        there = registry.find(type_, definition.code)
        if there is not None:
            yield (
                "code",
                "duplicate",
                f"{type_} has the search parameter {definition.code} already ({there.url}); "
                "choose another code",
            )
            return


def _component_faults(
    definition: SearchParameter, registry: Registry
) -> Iterator[tuple[str, str, str]]:
    if len(definition.components) < 2:
        yield "component", "required", "A composite needs two components at least"
    for index, part in enumerate(definition.components):
        place = f"component[{index}]"
        for type_ in types_of(definition, registry.definitions):
            found = registry.by_url(part.definition, type_)
            if found is None:
                yield (
                    f"{place}.definition",
                    "not-found",
                    f"{part.definition[:200]} is not known here",
                )
                break
        try:
            fhirpath.compile(part.expression)
        except fhirpath.FhirPathError as error:
            yield f"{place}.expression", "invalid", f"The expression cannot be used: {error}"


def _type_faults(definition: SearchParameter, registry: Registry) -> Iterator[tuple[str, str, str]]:
    read = value_types(registry.definitions)[definition.type]
    trial = registry.add(definition)
    spoken = False
    for type_ in types_of(definition, registry.definitions):
        parameter = trial.find(type_, definition.code)
        if parameter is None or not parameter.terms:
            continue
        spoken = True
        if parameter.paths is None:
            continue  # its values are sorted out one by one
        if not parameter.leaves:
            yield "expression", "invalid", f"{type_} has no such element"
            return
        strange = sorted(parameter.types - read)
        if strange:
            yield (
                "type",
                "invalid",
                f"In {type_} the expression leads to {', '.join(strange[:5])}, which a parameter "
                f"of type {definition.type} does not read; narrow it by ofType(...), or choose "
                "another type",
            )
            return
    if not spoken:
        yield "expression", "invalid", "The expression says nothing of the types in base"


@lru_cache(maxsize=4)
def value_types(definitions: Definitions) -> dict[str, frozenset[str]]:
    """The FHIR types that each type of parameter reads: those that R4's own parameters lead to."""
    registry = Registry(definitions)
    found: dict[str, set[str]] = {}
    for type_ in definitions.resource_types:
        for parameter in registry.all(type_):
            found.setdefault(parameter.type, set()).update(parameter.types)
    return {kind: frozenset(types) for kind, types in found.items()}


@lru_cache(maxsize=4)
def _r4(definitions: Definitions) -> frozenset[str]:
    return frozenset(parameter.url for parameter in definitions.search_parameters)


def accepted(
    candidates: Iterable[SearchParameter], registry: Registry
) -> tuple[Registry, dict[str, str]]:
    """The registry with all candidates that can be added, and by url why the others cannot.

    The earlier of two that clash is added.
    """
    refused: dict[str, str] = {}
    for definition in candidates:
        wrong = faults(definition, registry)
        if wrong:
            refused[definition.url] = wrong[0].diagnostics
        else:
            registry = registry.add(definition)
    return registry, refused
