"""Which kind a parameter is of."""

from __future__ import annotations

from fhir_server.search.kinds import Kind
from fhir_server.search.kinds.composite import Composite
from fhir_server.search.kinds.date import Date
from fhir_server.search.kinds.number import Number
from fhir_server.search.kinds.quantity import Quantity
from fhir_server.search.kinds.reference import Reference
from fhir_server.search.kinds.special import Id, LastUpdated, Near, Unsupported
from fhir_server.search.kinds.string import Phonetic, String
from fhir_server.search.kinds.token import Token
from fhir_server.search.kinds.uri import Uri
from fhir_server.search.kinds.words import Words

KINDS: dict[str, Kind] = {
    "string": String(),
    "token": Token(),
    "reference": Reference(),
    "date": Date(),
    "number": Number(),
    "quantity": Quantity(),
    "uri": Uri(),
    "composite": Composite(),
    "special": Unsupported(),
}
"""`SearchParameter.type` -> kind."""

SPECIAL: dict[str, Kind] = {
    "_id": Id(),
    "_lastUpdated": LastUpdated(),
    "_text": Words("n"),
    "_content": Words("n", "t"),
    "_query": Unsupported(),
    "near": Near(),
    "phonetic": Phonetic(),
}
"""Codes whose parameters have a kind of their own."""


def kind_of(type_: str, code: str) -> Kind:
    """The kind of a parameter by its type and code."""
    return SPECIAL.get(code) or KINDS[type_]
