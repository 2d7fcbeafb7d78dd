"""Parameters that lie elsewhere than in `k` and `r`, and those that are not supported.

`_id` is the document's `_id`, `_lastUpdated` its `u`. `near` of Location
(https://hl7.org/fhir/R4/location.html#positional) has a row `near` in `r`: latitude and longitude.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from fhir_server.errors import MalformedRequest, UnsupportedParameter
from fhir_server.search.collector import Collector
from fhir_server.search.intervals import wanted
from fhir_server.search.kinds import Filter, MatchContext, Node
from fhir_server.search.kinds.date import interval
from fhir_server.search.values import any_of, missing, parts, shown, unescape, unsupported

if TYPE_CHECKING:
    from fhir_server.search.registry import Parameter

_EARTH = 6_371.0088
_KILOMETRES = {"km": 1.0, "m": 0.001, "[mi_i]": 1.609344, "mi": 1.609344, "[nmi_i]": 1.852}
_DEFAULT_DISTANCE = 50.0


class Id:
    """`_id`: exact, with case."""

    def index(self, parameter: Parameter, nodes: Sequence[Node], out: Collector) -> None:
        """Nothing: the document has its id."""

    def match(
        self, parameter: Parameter, modifier: str, values: Sequence[str], context: MatchContext
    ) -> Filter:
        wanted_ids = list(dict.fromkeys(unescape(value) for value in values))
        match modifier:
            case "":
                return {"_id": wanted_ids[0] if len(wanted_ids) == 1 else {"$in": wanted_ids}}
            case "not":
                return {"_id": {"$nin": wanted_ids}}
            case "missing":
                return _always(parameter, values)
            case _:
                raise unsupported(parameter.code, "token", modifier, ("not",))


class LastUpdated:
    """`_lastUpdated`: an instant of milliseconds, so an interval of 1,000 microseconds."""

    def index(self, parameter: Parameter, nodes: Sequence[Node], out: Collector) -> None:
        """Nothing: the document has its time."""

    def match(
        self, parameter: Parameter, modifier: str, values: Sequence[str], context: MatchContext
    ) -> Filter:
        if modifier == "missing":
            return _always(parameter, values)
        if modifier:
            raise unsupported(parameter.code, "date", modifier, ())
        filters: list[Filter] = []
        for value in values:
            prefix, low, high = interval(parameter.code, value, context)
            margin = max(0, context.now - high, low - context.now) // 10
            for way in wanted(prefix, low, high, 0, margin):
                end = {operator: bound - 999 for operator, bound in way.hi.items()}
                filters.append({"u": _both(way.lo, end)})
        return any_of([filter_ for filter_ in filters if filter_["u"] is not None])


class Near:
    """`near`: `latitude|longitude|distance|units`, by the distance over the sphere."""

    def index(self, parameter: Parameter, nodes: Sequence[Node], out: Collector) -> None:
        out.seen[parameter.code] = None
        for _, value in nodes:
            if "latitude" in value and "longitude" in value:
                out.add_pair("near", float(value["latitude"]), float(value["longitude"]))

    def match(
        self, parameter: Parameter, modifier: str, values: Sequence[str], context: MatchContext
    ) -> Filter:
        if modifier == "missing":
            return missing(parameter.code, parameter.stored, values)
        if modifier:
            raise unsupported(parameter.code, "special", modifier, ())
        return any_of([_near(value) for value in values])


class Unsupported:
    """Parameters that R4 names and this server refuses."""

    def index(self, parameter: Parameter, nodes: Sequence[Node], out: Collector) -> None:
        """Nothing."""

    def match(
        self, parameter: Parameter, modifier: str, values: Sequence[str], context: MatchContext
    ) -> Filter:
        raise UnsupportedParameter(f"{parameter.code} is not supported by this server")


def _always(parameter: Parameter, values: Sequence[str]) -> Filter:
    missing(parameter.code, parameter.stored, values)
    return {"_id": {"$in": []}} if values[0] == "true" else {"_id": {"$exists": True}}


def _both(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Both conditions on one number as one."""
    found = dict(one)
    for operator, bound in other.items():
        tighter = max if operator.startswith("$g") else min
        found[operator] = tighter(found[operator], bound) if operator in found else bound
    return found


def _near(value: str) -> Filter:
    found = [unescape(part) for part in parts(value, "|")]
    try:
        latitude, longitude = float(Decimal(found[0])), float(Decimal(found[1]))
        distance = float(Decimal(found[2])) if len(found) > 2 else _DEFAULT_DISTANCE
        radius = distance * _KILOMETRES[found[3] if len(found) > 3 else "km"]
    except (ArithmeticError, ValueError, LookupError) as error:
        raise MalformedRequest(
            f"near={shown(value)} is no place: write latitude|longitude|distance|units, "
            f"units one of {', '.join(_KILOMETRES)}"
        ) from error
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180 and 0 <= radius < math.inf):
        raise MalformedRequest(f"near={shown(value)} lies outside the earth")
    reach = math.degrees(radius / _EARTH)
    box = {"lo": {"$gte": latitude - reach, "$lte": latitude + reach}}
    return {
        "r": {"$elemMatch": {"k": "near", **box}},
        "$expr": {"$anyElementTrue": [_within(latitude, longitude, radius)]},
    }


def _within(latitude: float, longitude: float, radius: float) -> dict[str, Any]:
    """Per row `near`, whether the haversine of its distance is small enough."""
    half_latitude = {"$divide": [{"$subtract": [_radians("$$row.lo"), math.radians(latitude)]}, 2]}
    half_longitude = {
        "$divide": [{"$subtract": [_radians("$$row.hi"), math.radians(longitude)]}, 2]
    }
    haversine = {
        "$add": [
            {"$pow": [{"$sin": half_latitude}, 2]},
            {
                "$multiply": [
                    math.cos(math.radians(latitude)),
                    {"$cos": _radians("$$row.lo")},
                    {"$pow": [{"$sin": half_longitude}, 2]},
                ]
            },
        ]
    }
    bound = math.sin(min(radius / _EARTH / 2, math.pi / 2)) ** 2
    rows = {"$filter": {"input": "$r", "as": "row", "cond": {"$eq": ["$$row.k", "near"]}}}
    return {"$map": {"input": rows, "as": "row", "in": {"$lte": [haversine, bound]}}}


def _radians(field: str) -> dict[str, Any]:
    return {"$degreesToRadians": field}
