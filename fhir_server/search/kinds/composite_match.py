"""What a search asks of composites, and what else their rows answer; see `kinds.composite`."""

from __future__ import annotations

import itertools
import re
from collections.abc import Container, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from fhir_server.errors import MalformedRequest
from fhir_server.search.intervals import Wanted
from fhir_server.search.kinds import Filter, MatchContext
from fhir_server.search.values import any_of, begins, code_of, keyed, parts, shown

if TYPE_CHECKING:
    from fhir_server.search.registry import Parameter

ORDERED = frozenset(("date", "number", "quantity"))

MOST_PAIRS = 20
"""Pairs of values that `fused` looks for; each is a range of its own."""

_REST = r"(?:[^$\\]|\\.)*"
"""What an open text goes on with: it takes what comes up to the next `$` or `&`."""


class _Text(Protocol):
    def component_match(
        self, parameter: Parameter, value: str, context: MatchContext
    ) -> list[tuple[str, bool]]: ...


class _Ordered(Protocol):
    def component_ways(
        self, parameter: Parameter, value: str, context: MatchContext
    ) -> tuple[str, list[Wanted]]: ...


class _Form(NamedTuple):
    """A text that a part may have; `open` where it is a beginning (`system|`)."""

    text: str
    open: bool
    token: bool


def match_any(parameter: Parameter, values: Sequence[str], context: MatchContext) -> Filter:
    """The filter for any of the values of a composite. Raises MalformedRequest."""
    given = [_parts(parameter, value) for value in values]
    return any_of([_match_one(parameter, parameter.stored, one, context) for one in given])


def fused(
    first: Parameter,
    first_values: Sequence[str],
    second: Parameter,
    second_values: Sequence[str],
    context: MatchContext,
) -> Filter | None:
    """One filter for two parameters without modifiers, where a composite holds both fused.

    It finds what both filters find, in one range of an index: `code` with `value-quantity` of
    Observation lie under `code-value-quantity`. None where no composite is exactly the two, or
    where their values make more than `MOST_PAIRS` pairs.
    """
    if len(first_values) * len(second_values) > MOST_PAIRS:
        return None
    values = {first.url: first_values, second.url: second_values}
    for one in context.registry.all(context.type):
        if (
            one.type == "composite"
            and [component.parameter.url in values for component in one.components] == [True, True]
            and len(values) == 2
            and all(component.whole for component in one.components)
        ):
            pairs = itertools.product(*(values[part.parameter.url] for part in one.components))
            codes = (
                (one.code, f"{one.code}+") if any(p.beyond for p in one.components) else (one.code,)
            )
            return any_of([_match_one(one, codes, pair, context) for pair in pairs])
    return None


def part_bound(
    parameter: Parameter, types: Container[str], values: Sequence[str], context: MatchContext
) -> Filter | None:
    """What the first part of one of these types asks for by itself; None where there is none.

    Whatever meets the composite meets it too.
    """
    for at, component in enumerate(parameter.components):
        known = context.registry.find(context.type, component.parameter.code)
        same = known is not None and known.url == component.parameter.url and component.inside
        if known is not None and same and known.type in types:
            given = [_parts(parameter, value)[at] for value in values]
            return known.kind.match(known, "", given, context)
    return None


def _parts(parameter: Parameter, value: str) -> Sequence[str]:
    given = parts(value, "$")
    if len(given) != len(parameter.components) or not all(given):
        codes = "$".join(component.parameter.code for component in parameter.components)
        raise MalformedRequest(
            f"{parameter.code}={shown(value)} must have {len(parameter.components)} parts: {codes}"
        )
    return given


def _match_one(
    parameter: Parameter, codes: Sequence[str], given: Sequence[str], context: MatchContext
) -> Filter:
    texts: list[list[_Form]] = []
    ordered: list[tuple[str, list[Wanted]]] = []
    for component, part in zip(parameter.components, given, strict=True):
        if component.parameter.type in ORDERED:
            ways = cast("_Ordered", component.parameter.kind)
            ordered.append(ways.component_ways(component.parameter, part, context))
        else:
            kind = cast("_Text", component.parameter.kind)
            token = component.parameter.type == "token"
            forms = kind.component_match(component.parameter, part, context)
            texts.append([_Form(part_of(text, token), open_, token) for text, open_ in forms])
    filters = [
        one
        for code in codes
        for combination in itertools.product(*texts)
        for one in [_filter(code, combination, ordered)]
    ]
    return any_of(filters)


def _filter(
    code: str, combination: Sequence[_Form], ordered: Sequence[tuple[str, list[Wanted]]]
) -> Filter:
    if not ordered:
        return _by_text(code, combination)
    suffix = "&".join(suffix for suffix, _ in ordered)
    rows = [
        _row(code, combination, suffix, ways)
        for ways in itertools.product(*(ways for _, ways in ordered))
        if len(ways) == 1 or not any(way.long for way in ways)
    ]
    return any_of([{"r": {"$elemMatch": row}} for row in rows])


def _by_text(code: str, combination: Sequence[_Form]) -> Filter:
    key = f"{code}={'$'.join(form.text for form in combination)}"
    last = combination[-1].open
    if not any(form.open for form in combination[:-1]):
        return begins(key) if last else keyed([key])
    return {"k": {"$regex": f"^{re.escape(code)}={_pattern(combination)}{'' if last else '$'}"}}


def _pattern(combination: Iterable[_Form]) -> str:
    return r"\$".join(re.escape(form.text) + (_REST if form.open else "") for form in combination)


def _row(code: str, combination: Sequence[_Form], suffix: str, ways: Sequence[Wanted]) -> Filter:
    """The condition on one row: by its texts without systems, and by its names, which have them."""
    way = ways[0] if len(ways) == 1 else _paired(*ways)
    mark = "~" if way.long else ""
    texts = [form.text for form in combination]
    bare = without_systems(texts, [form.token for form in combination])
    if not any(form.open for form in combination):
        whole = "$".join(texts)
        names = (f"={whole}",) if whole != bare else ()
        return way._replace(names=way.names + names).row(f"{code}={bare}&{suffix}{mark}")
    pattern = r"\$".join(
        _REST if form.open else re.escape(code_of(form.text) if form.token else form.text)
        for form in combination
    )
    row = way.row({"$regex": f"^{re.escape(code)}={pattern}&{re.escape(suffix)}{mark}$"})
    return {**row, "$and": [{"w": {"$regex": f"^={_pattern(combination)}$"}}]}


def _paired(first: Wanted, second: Wanted) -> Wanted:
    """What two numbers that are the sides of one row must meet."""
    names = paired_names(first.names or ("",), second.names or ("",))
    return Wanted(first.lo | first.hi, second.lo | second.hi, names=names)


def paired_names(first: Iterable[str], second: Iterable[str]) -> tuple[str, ...]:
    """The names of the units of two numbers that are the sides of one row."""
    return tuple(f"{one}&{other}" for one, other in itertools.product(first, second) if one + other)


def without_systems(texts: Iterable[str], tokens: Iterable[bool]) -> str:
    """The texts as a row has them: those of tokens without their systems."""
    return "$".join(
        code_of(text) if token else text for text, token in zip(texts, tokens, strict=True)
    )


def part_of(text: str, token: bool) -> str:
    """The text of a part as it stands between others; that of a token is escaped already."""
    return text if token else text.replace("\\", "\\\\").replace("$", "\\$")
