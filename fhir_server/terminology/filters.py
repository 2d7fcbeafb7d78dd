"""The filter operators of value sets, as tests of one concept.

https://hl7.org/fhir/R4/valueset-filter-operator.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

from fhir_server.errors import Unprocessable
from fhir_server.terminology.code_system import CodeSystem, Filter
from fhir_server.terminology.concept import Concept
from fhir_server.terminology.patterns import compiled

OPERATORS = (
    *("=", "is-a", "descendent-of", "is-not-a", "regex", "in", "not-in", "generalizes"),
    "exists",
)
CODE = frozenset(("concept", "code"))
"""Names of the concept itself in the place of a property."""

KNOWN = frozenset(("display", "definition", "parent", "child", "designation", "inactive", "status"))
"""Names that every system answers to, besides those of its own properties."""

_DEFAULT_FALSE = frozenset(("inactive", "notSelectable"))
_HIERARCHICAL = frozenset(("is-a", "descendent-of", "is-not-a", "generalizes"))

Test = Callable[[Concept], Awaitable[bool]]


async def every(system: CodeSystem, filters: Sequence[Filter]) -> Test:
    """The test that a concept meets all the filters. Raises Unprocessable for one that is none."""
    tests = [await _test(system, one) for one in filters]

    async def meets(concept: Concept) -> bool:
        for test in tests:
            if not await test(concept):
                return False
        return True

    return meets


def check(system: CodeSystem, one: Filter) -> None:
    """Raise Unprocessable for an operator or property that the system has not."""
    head = system.head
    if one.op not in OPERATORS:
        raise Unprocessable(
            f"'{one.op[:40]}' is no filter operator; there are {', '.join(OPERATORS)}",
            code="code-invalid",
        )
    known = CODE | KNOWN | set(head.properties) | (head.filters or frozenset())
    if head.filters is not None and one.property not in known:
        raise Unprocessable(
            f"{head.canonical} has no property '{one.property[:80]}' to filter by; "
            f"it has {', '.join(sorted(known)[:20])}",
            code="not-supported",
        )
    if one.op in _HIERARCHICAL and one.property not in CODE:
        raise Unprocessable(
            f"The operator {one.op} is about concepts: its property must be 'concept'",
            code="not-supported",
        )
    if one.op == "exists" and one.value not in ("true", "false"):
        raise Unprocessable("The operator exists takes true or false", code="invalid")


async def _test(system: CodeSystem, one: Filter) -> Test:
    check(system, one)
    value = one.value
    match one.op:
        case "is-a":
            return _below(system, value, itself=True)
        case "descendent-of":
            return _below(system, value, itself=False)
        case "is-not-a":
            return _negated(_below(system, value, itself=True))
        case "generalizes":
            found = await system.find((value,))
            codes = {value, *([] if value not in found else await system.ancestors(found[value]))}
            return _of_code(codes)
        case "regex":
            pattern = compiled(value)
            return _any(system, one.property, pattern.matches)
        case "in":
            return await _among(system, one.property, split(value))
        case "not-in":
            return _negated(await _among(system, one.property, split(value)))
        case "exists":
            wanted = value == "true"
            exists = _any(system, one.property, lambda _: True)
            return exists if wanted else _negated(exists)
    return await _among(system, one.property, {value})


def split(value: str) -> set[str]:
    """The values of `in` and `not-in`."""
    return {part.strip() for part in value.split(",") if part.strip()}


def _below(system: CodeSystem, ancestor: str, *, itself: bool) -> Test:
    folded = not system.head.case_sensitive

    async def test(concept: Concept) -> bool:
        if concept.code == ancestor or (folded and concept.code.lower() == ancestor.lower()):
            return itself
        return ancestor in await system.ancestors(concept)

    return test


def _of_code(codes: Iterable[str]) -> Test:
    wanted = frozenset(codes)

    async def test(concept: Concept) -> bool:
        return concept.code in wanted

    return test


def _negated(test: Test) -> Test:
    async def negated(concept: Concept) -> bool:
        return not await test(concept)

    return negated


async def _among(system: CodeSystem, property_: str, wanted: set[str]) -> Test:
    if property_ == "child":
        found = await system.find(sorted(wanted))
        return _of_code(code for concept in found.values() for code in concept.parents)
    return _any(system, property_, wanted.__contains__)


def _any(system: CodeSystem, property_: str, accepts: Callable[[str], bool]) -> Test:
    """The test that one of the property's values is accepted."""

    async def test(concept: Concept) -> bool:
        if property_ == "child":
            return any(accepts(code) for code in await system.children(concept.code))
        return any(accepts(text) for text in values(concept, property_))

    return test


def values(concept: Concept, property_: str) -> Iterator[str]:
    """The values of a property as a filter compares them."""
    if property_ in CODE:
        yield concept.code
    elif property_ == "display":
        if concept.display:
            yield concept.display
    elif property_ == "definition":
        if concept.definition:
            yield concept.definition
    elif property_ == "designation":
        for designation in concept.designations:
            yield designation.value
    else:
        found = [one.text for one in concept.values(property_)]
        if property_ == "parent":
            found += [code for code in concept.parents if code not in found]
        if not found and property_ in _DEFAULT_FALSE:
            found = ["false"]
        yield from found
