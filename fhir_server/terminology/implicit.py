"""Value sets that nobody wrote down: their URL says what is in them.

https://hl7.org/fhir/R4/snomedct.html#implicit, https://hl7.org/fhir/R4/loinc.html#implicit
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

Json = dict[str, Any]

LOINC = "http://loinc.org"


def implicit(url: str) -> Json | None:
    """The value set that the URL stands for; None for one that stands for none.

    `[system]?fhir_vs` is all of the code system, `?fhir_vs=isa/[code]` what a concept subsumes.
    Reference sets of SNOMED CT (`refset/`) are not loaded here, so they stand for none.
    """
    if url == f"{LOINC}/vs":
        return _value_set(url, {"system": LOINC})
    system, mark, asked = url.partition("?fhir_vs")
    if not mark:
        return None
    include: Json = {"system": system}
    if system.startswith("http://snomed.info/sct/"):
        include = {"system": "http://snomed.info/sct", "version": system}
    if not asked:
        return _value_set(url, include)
    kind, _, code = unquote(asked.removeprefix("=")).partition("/")
    if kind != "isa" or not code:
        return None
    include["filter"] = [{"property": "concept", "op": "is-a", "value": code}]
    return _value_set(url, include)


def _value_set(url: str, include: Json) -> Json:
    return {
        "resourceType": "ValueSet",
        "url": url,
        "status": "active",
        "compose": {"include": [include]},
    }
