"""What the operators of `_filter` ask, each through the kinds of search parameter.

https://hl7.org/fhir/R4/search_filter.html#ops. `ne` asks for a value, but for none that is equal.
"""

from __future__ import annotations

import re

from fhir_server.errors import MalformedRequest, UnsupportedParameter
from fhir_server.search.conditions import Compared
from fhir_server.search.folding import fold
from fhir_server.search.intervals import DAY, over_clinical_date, over_ranges, wanted
from fhir_server.search.kinds import Filter, MatchContext
from fhir_server.search.kinds.composite_match import ORDERED
from fhir_server.search.kinds.date import interval
from fhir_server.search.registry import Parameter
from fhir_server.search.values import shown

OPERATORS_OF: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("number", "quantity"), ("eq", "ne", "gt", "lt", "ge", "le", "ap", "sa", "eb")),
    "date": ("eq", "ne", "gt", "lt", "ge", "le", "ap", "sa", "eb", "po"),
    "string": ("eq", "ne", "co", "sw", "ew"),
    "token": ("eq", "ne", "in", "ni", "ss", "sb"),
    "uri": ("eq", "ne", "co", "sw", "ew", "ss", "sb"),
    "reference": ("eq", "ne", "re"),
    "composite": ("eq", "ne"),
    "special": ("eq",),
}
"""The operators of each type of parameter; `pr` goes with all of them."""

_MODIFIERS = {"in": "in", "ni": "not-in", "ss": "above", "sb": "below"}


def modifier_of(compared: Compared) -> str:
    """The search modifier that asks the same as the operator, empty where none does."""
    return _MODIFIERS.get(compared.operator, "")


def match_compared(compared: Compared, context: MatchContext) -> Filter:
    """The filter of one comparison. Raises UnsupportedParameter for an operator that the type of
    parameter does not have, and what its kind raises for the value."""
    parameter, operator = compared.parameter, compared.operator
    if operator == "pr":
        if compared.value not in ("true", "false"):
            raise MalformedRequest(
                f"_filter: {parameter.code} pr takes true or false, not {shown(compared.value)!r}",
                expression="http._filter",
            )
        return _missing(parameter, compared.value == "false", context)
    known = OPERATORS_OF[parameter.type]
    if operator not in known:
        raise UnsupportedParameter(
            f"_filter: '{operator}' does not go with {parameter.code}, a parameter of type "
            f"{parameter.type}; it takes {', '.join(known)} and pr",
            expression="http._filter",
        )
    if operator == "ne" and parameter.type not in ORDERED:
        equal = match_compared(Compared(parameter, "eq", compared.value, compared.quoted), context)
        return {"$nor": [equal], **_missing(parameter, False, context)}
    if operator == "po":
        return _overlaps(parameter, compared.value, context)
    if parameter.type in ("string", "uri") and operator in ("eq", "co", "sw", "ew"):
        return _text(parameter, operator, compared.value, context)
    if parameter.type in ORDERED:
        value = operator + _escaped(compared.value, ",$\\")
    else:
        value = _escaped(compared.value, ",\\")
    return parameter.kind.match(parameter, modifier_of(compared), [value], context)


def _missing(parameter: Parameter, missing: bool, context: MatchContext) -> Filter:
    return parameter.kind.match(parameter, "missing", ["true" if missing else "false"], context)


def _text(parameter: Parameter, operator: str, value: str, context: MatchContext) -> Filter:
    code = parameter.code
    if parameter.type == "uri":
        if operator == "eq":
            return parameter.kind.match(parameter, "", [_escaped(value, ",|$\\")], context)
        text = re.escape(value)
    else:
        text = fold(value)
        if not text:
            raise MalformedRequest(
                f"_filter: {code} {operator} {shown(value)!r} has no letter or digit to look for",
                expression="http._filter",
            )
        if operator in ("co", "sw"):
            modifier = "contains" if operator == "co" else ""
            return parameter.kind.match(parameter, modifier, [_escaped(value, ",|$\\")], context)
        if operator == "eq":
            return {"k": f"{code}={text}"}
        text = re.escape(text)
    pattern = {"co": f".*{text}", "sw": text, "ew": f".*{text}$"}[operator]
    return {"k": {"$regex": f"^{re.escape(code)}\\+?={pattern}", "$options": "s"}}


def _overlaps(parameter: Parameter, value: str, context: MatchContext) -> Filter:
    """Periods that have at least an instant in common with the value."""
    _, low, high = interval(parameter.code, _escaped(value, ",$\\"), context)
    if parameter.code == "_lastUpdated":
        return parameter.kind.match(parameter, "", [value], context)
    ways = wanted("ap", low, high, DAY, 0)
    if parameter.clinical_date:
        return over_clinical_date(parameter.code, ways)
    return over_ranges(parameter.stored, ways)


def _escaped(value: str, signs: str) -> str:
    """The value with a backslash before the signs that would cut a search value."""
    return "".join(f"\\{sign}" if sign in signs else sign for sign in value)
