"""Documents hold what their Composition leads to, and nothing else.

https://hl7.org/fhir/R4/documents.html#content: resources that it refers to, directly or not, and
Provenances of these, besides a Binary with a stylesheet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fhir_server.fhir.references import find, parse
from fhir_server.validation.faults import Faults, above
from fhir_server.validation.rule import Holder

__all__ = ["check_reachable"]

_BESIDE = frozenset({"Binary"})
"""Types that need no reference: a stylesheet has none."""


def check_reachable(value: Any, owner: dict[str, Any], holder: Holder) -> Faults:
    """A warning at each entry of a document that its first entry does not lead to."""
    entries = value.get("entry", ())
    if value.get("type") != "document" or len(entries) < 2:
        return None
    places = _places(entries)
    leads = [_leads(entry, places) for entry in entries]
    types = [(entry.get("resource") or {}).get("resourceType") for entry in entries]
    reached: set[int] = set()
    _reach(0, leads, reached)
    for index, type_ in enumerate(types):
        if type_ == "Provenance" and leads[index] & reached:
            _reach(index, leads, reached)
    faults: Faults = None
    for index, type_ in enumerate(types):
        if index in reached or type_ is None or type_ in _BESIDE:
            continue
        text = f"nothing in the document leads to this {type_}: refer to it, or leave it out"
        found = holder.fault("business-rule", text, severity="warning")
        if found is not None:
            faults = (faults or []) + above(found, f".entry[{index}]")
    return faults


def _reach(index: int, leads: Sequence[set[int]], reached: set[int]) -> None:
    """Add an entry and all that it leads to, directly or not."""
    reached.add(index)
    waiting = [index]
    while waiting:
        fresh = leads[waiting.pop()] - reached
        reached |= fresh
        waiting += fresh


def _places(entries: Any) -> dict[str, int]:
    """By full url, and where none stands there by `Type/id`."""
    places: dict[str, int] = {}
    for index, entry in enumerate(entries):
        resource = entry.get("resource") or {}
        if "id" in resource:
            places.setdefault(f"{resource.get('resourceType')}/{resource['id']}", index)
        if "fullUrl" in entry:
            places[entry["fullUrl"]] = index
    return places


def _leads(entry: Mapping[str, Any], places: Mapping[str, int]) -> set[int]:
    """The entries that an entry refers to. https://hl7.org/fhir/R4/bundle.html#references"""
    resource = entry.get("resource")
    if not resource:
        return set()
    own = f"{resource.get('resourceType')}/{resource.get('id')}"
    root = entry.get("fullUrl", "").removesuffix(own)
    found = set()
    for one in find(resource):
        text = one.text.partition("#")[0].partition("/_history/")[0]
        relative = parse(text).base == "" and parse(text).id
        for place in (f"{root}{text}", text) if relative else (text,):
            if place in places:
                found.add(places[place])
                break
    return found
