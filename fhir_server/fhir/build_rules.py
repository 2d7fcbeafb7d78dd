"""The rules in the compiled table: invariants, and the codes of required value sets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fhir_server.fhir.definitions import Invariant

PREFIX = "http://hl7.org/fhir/StructureDefinition/"
SIMPLE_QUANTITY = PREFIX + "SimpleQuantity"
BEST_PRACTICE = PREFIX + "elementdefinition-bestpractice"
OPEN_VALUE_SETS = {
    "http://hl7.org/fhir/ValueSet/mimetypes",  # BCP 13: no list can be complete
    "http://hl7.org/fhir/ValueSet/ucum-units",  # the expansion has 1000 common ones only
}
Json = dict[str, Any]


def resources(bundles: dict[str, Json], *names: str) -> Iterator[Json]:
    """The resources of the named Bundles."""
    for name in names:
        for entry in bundles[name]["entry"]:
            yield entry["resource"]


def local_name(url: str) -> str:
    """The last part of a canonical url, without version."""
    return url.partition("|")[0].rsplit("/", 1)[-1]


def invariants(structures: Iterable[Json]) -> dict[str, tuple[Invariant, ...]]:
    """Element path -> the rules that are stated there first, not those inherited from elsewhere."""
    table: dict[str, tuple[Invariant, ...]] = {}
    by_name = {s["id"]: s for s in structures}
    for structure in by_name.values():
        inherited: set[str] = set()
        base = by_name.get(local_name(structure.get("baseDefinition", "")))
        while base:
            inherited |= {
                c["key"] for e in base["snapshot"]["element"][:1] for c in e.get("constraint", ())
            }
            base = by_name.get(local_name(base.get("baseDefinition", "")))
        for index, element in enumerate(structure["snapshot"]["element"]):
            path = element["path"] if index else structure["id"]
            own = [
                Invariant(
                    c["key"],
                    c["severity"],
                    c["human"],
                    c["expression"],
                    any(
                        e["url"] == BEST_PRACTICE and e.get("valueBoolean")
                        for e in c.get("extension", ())
                    ),
                )
                for c in element.get("constraint", ())
                if c.get("source") in (None, structure["url"])
                and c["key"] not in inherited
                and (c["key"] not in ("ele-1", "ext-1") or not index)
            ]
            if structure.get("derivation") == "constraint" and index:
                continue
            if any(SIMPLE_QUANTITY in t.get("profile", ()) for t in element.get("type", ())):
                own.append(_simple_quantity(by_name["SimpleQuantity"]))
            if own:
                table[path] = tuple(own)
    return table


def _simple_quantity(structure: Json) -> Invariant:
    """The only difference between Quantity and SimpleQuantity, as a rule on the element."""
    rules = structure["snapshot"]["element"][0]["constraint"]
    rule = next(c for c in rules if c["key"] == "sqty-1")
    return Invariant(rule["key"], rule["severity"], rule["human"], rule["expression"])


def value_sets(
    bundles: dict[str, Json], bound: Iterable[str]
) -> dict[str, dict[str, list[str]] | None]:
    """Url -> system -> codes; None for value sets that are open or that R4 does not contain."""
    expansions = {
        r["url"]: r["expansion"] for r in resources(bundles, "Bundle-valueset-expansions")
    }
    definitions = {
        (r["resourceType"], r["url"]): r
        for r in resources(
            bundles, "Bundle-valuesets", "Bundle-v2-valuesets", "Bundle-v3-valuesets"
        )
    }
    table: dict[str, dict[str, list[str]] | None] = {}
    for url in sorted(bound):
        if url in OPEN_VALUE_SETS:
            table[url] = None
        elif url in expansions:
            codes: dict[str, set[str]] = {}
            _collect(expansions[url].get("contains", ()), codes)
            table[url] = {system: sorted(c) for system, c in sorted(codes.items())}
        elif ("ValueSet", url) in definitions:
            raise ValueError(f"{url} has a definition but no expansion: expand it here")
        else:
            table[url] = None
    return table


def _collect(concepts: Iterable[Json], codes: dict[str, set[str]]) -> None:
    for concept in concepts:
        if "code" in concept and not concept.get("abstract"):
            codes.setdefault(concept["system"], set()).add(concept["code"])
        _collect(concept.get("contains", ()), codes)
