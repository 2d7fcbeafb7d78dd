"""Makes `data/r4.json.zst` from the official R4 4.0.1 bundles.

    python -m fhir_server.fhir.build_definitions DIR [OUTPUT]

DIR holds `Bundle-*.json`, plain or `.zst`. Inputs whose sums are not the official ones are refused;
the same inputs give the same bytes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import zstandard

from fhir_server.fhir.build_rules import (
    PREFIX,
    Json,
    invariants,
    local_name,
    resources,
    value_sets,
)
from fhir_server.fhir.definitions import (
    Component,
    Element,
    Operation,
    OperationParameter,
    SearchParameter,
    Table,
    TypeRow,
)
from fhir_server.fhir.official_bundles import bundle

BUNDLES = (
    "Bundle-resources",
    "Bundle-types",
    "Bundle-searchParams",
    "Bundle-valuesets",
    "Bundle-v2-valuesets",
    "Bundle-v3-valuesets",
    "Bundle-valueset-expansions",
)
FHIR_TYPE = PREFIX + "structuredefinition-fhir-type"


def build(folder: Path) -> bytes:
    """The packed table. Raises ValueError on an input that is not the official one."""
    bundles = {name: bundle(folder, name) for name in BUNDLES}
    structures = [
        r
        for r in resources(bundles, "Bundle-types", "Bundle-resources")
        if r["resourceType"] == "StructureDefinition" and r["kind"] != "logical"
    ]
    types = tuple(
        sorted((row for s in structures for row in _type_rows(s)), key=lambda row: row.name)
    )
    bound = {e.binding for row in types for e in row.elements if e.binding}
    table = Table(
        version="4.0.1",
        types=types,
        search_parameters=tuple(
            sorted(
                (_search_parameter(r) for r in resources(bundles, "Bundle-searchParams")),
                key=lambda p: (p.code, p.url),
            )
        ),
        operations=tuple(
            sorted(
                (
                    _operation(r)
                    for r in resources(bundles, "Bundle-resources")
                    if r["resourceType"] == "OperationDefinition"
                ),
                key=lambda o: o.id,
            )
        ),
        compartments={
            r["code"]: {e["code"]: tuple(e["param"]) for e in r["resource"] if e.get("param")}
            for r in resources(bundles, "Bundle-resources")
            if r["resourceType"] == "CompartmentDefinition"
        },
        invariants=invariants(structures),
        value_sets=value_sets(bundles, bound),
    )
    plain = msgspec.json.encode(msgspec.to_builtins(table, order="sorted"), order="sorted")
    return zstandard.ZstdCompressor(level=22, write_checksum=False).compress(plain)


def _type_rows(structure: Json) -> Iterator[TypeRow]:
    """The type's own row and one for each backbone in it."""
    elements = structure["snapshot"]["element"]
    by_path = {e["path"]: e for e in elements}
    children: dict[str, list[Json]] = {structure["type"]: []}
    for element in elements[1:]:
        children.setdefault(element["path"].rpartition(".")[0], []).append(element)
    for path, members in children.items():
        root = path == structure["type"]
        definition = by_path[path]
        yield TypeRow(
            structure["id"] if root else path,
            structure["kind"] if root else "backbone",
            local_name(structure.get("baseDefinition", ""))
            if root
            else definition["type"][0]["code"],
            bool(structure["abstract"]) if root else False,
            _sentence(structure["description"]) if root else definition["short"],
            tuple(_element(e, by_path, children) for e in members),
        )


def _element(element: Json, by_path: dict[str, Json], children: dict[str, list[Json]]) -> Element:
    path: str = element["path"]
    name = path.rpartition(".")[2]
    content = path if path in children else None
    source = element
    if "contentReference" in element:
        content = element["contentReference"].removeprefix("#")
        source = by_path[content]
    binding = element.get("binding", {})
    required = binding.get("strength") == "required" and "valueSet" in binding
    types = tuple(dict.fromkeys(_type_code(t) for t in source["type"]))
    if element["base"]["path"] == "Resource.id":
        types = ("id",)  # the extension says string, resource.html#id says id
    pointing = "Reference" if "Reference" in types else "canonical"
    targets = {
        local_name(profile)
        for type_ in element.get("type", ())
        if type_["code"] == pointing
        for profile in type_.get("targetProfile", ())
    }
    return Element(
        name=name.removesuffix("[x]"),
        types=types,
        min=element["min"],
        max=None if element["max"] == "*" else int(element["max"]),
        choice=name.endswith("[x]"),
        content=content,
        targets=() if "Resource" in targets else tuple(sorted(targets)),
        binding=binding["valueSet"].partition("|")[0] if required else None,
        summary=bool(element.get("isSummary")),
        modifier=bool(element.get("isModifier")),
        representation="".join(element.get("representation", ())),
    )


def _type_code(type_: Json) -> str:
    """FHIR's name of a type: the extension says which one a FHIRPath system type stands for."""
    for extension in type_.get("extension", ()):
        if extension["url"] == FHIR_TYPE:
            code: str = extension["valueUrl"]
            return code
    code = type_["code"]
    if code.startswith("http://hl7.org/fhirpath/System."):
        return code.rpartition(".")[2].lower()
    return code


def _sentence(text: str) -> str:
    """The first sentence of a description, as one plain line of at most 200 characters."""
    line = text.split("\r\n")[0].split("\n")[0].strip()
    head, stop, _ = line.partition(". ")
    return (head + stop.strip() if stop else line)[:200]


def _search_parameter(parameter: Json) -> SearchParameter:
    description: str = parameter.get("description", "")
    if description.startswith("Multiple Resources"):
        # One line per type follows; the first one says what all of them mean.
        description = description.partition("): ")[2]
    return SearchParameter(
        code=parameter["code"],
        url=parameter["url"],
        name=parameter["name"],
        type=parameter["type"],
        base=tuple(parameter["base"]),
        expression=parameter.get("expression"),
        xpath_usage=parameter["xpathUsage"],
        target=tuple(parameter.get("target", ())),
        components=tuple(
            Component(c["definition"], c["expression"]) for c in parameter.get("component", ())
        ),
        comparator=tuple(parameter.get("comparator", ())),
        modifier=tuple(parameter.get("modifier", ())),
        chain=tuple(parameter.get("chain", ())),
        multiple_or=parameter.get("multipleOr", True),
        multiple_and=parameter.get("multipleAnd", True),
        description=_sentence(description),
    )


def _operation(operation: Json) -> Operation:
    return Operation(
        id=operation["id"],
        code=operation["code"],
        name=operation["name"],
        url=operation["url"],
        affects_state=operation.get("affectsState", False),
        system=operation["system"],
        type=operation["type"],
        instance=operation["instance"],
        resource=tuple(operation.get("resource", ())),
        parameters=tuple(_operation_parameter(p) for p in operation.get("parameter", ())),
        description=_sentence(operation.get("description", "")),
    )


def _operation_parameter(parameter: Json) -> OperationParameter:
    return OperationParameter(
        name=parameter["name"],
        use=parameter["use"],
        min=parameter["min"],
        max=None if parameter["max"] == "*" else int(parameter["max"]),
        type=parameter.get("type"),
        search_type=parameter.get("searchType"),
        description=_sentence(parameter.get("documentation", "")),
        parts=tuple(
            _operation_parameter({"use": parameter["use"]} | part)
            for part in parameter.get("part", ())
        ),
    )


def main(arguments: list[str]) -> None:
    """Writes the table beside this module, or to the second argument."""
    folder = Path(arguments[0])
    output = (
        Path(arguments[1]) if len(arguments) > 1 else Path(__file__).parent / "data/r4.json.zst"
    )
    output.write_bytes(build(folder))
    print(f"{output}: {output.stat().st_size} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
