"""Tiny releases in the forms that people download; every code in them is made up."""

from __future__ import annotations

import json
from pathlib import Path

LOINC_COLUMNS = (
    *("LOINC_NUM", "COMPONENT", "PROPERTY", "SYSTEM", "SCALE_TYP", "CLASS", "STATUS"),
    *("SHORTNAME", "LONG_COMMON_NAME"),
)
LOINC = f"""{",".join(LOINC_COLUMNS)}
"1-8","Widgets","MCnc","Bld","Qn","CHEM","ACTIVE","Widgets Bld","Widgets [Mass/volume] in Blood"
"2-6","Gadgets","Prid","Ser","Nom","MICRO","DEPRECATED","Gadgets Ser","Gadgets in Serum"
"""
HIERARCHY = """"PATH_TO_ROOT","SEQUENCE","IMMEDIATE_PARENT","CODE","CODE_TEXT"
"","1","","LP1-0","Things"
"LP1-0","1","LP1-0","LP2-0","Widgets and gadgets"
"LP1-0.LP2-0","1","LP2-0","1-8","Widgets Bld"
"LP1-0.LP2-0","2","LP2-0","2-6","Gadgets Ser"
"""

_CONCEPTS = [("100", "1"), ("200", "1"), ("300", "1"), ("400", "0")]
_DESCRIPTIONS = [
    ("1", "100", "900000000000003001", "en", "Thing (thing)"),
    ("2", "200", "900000000000003001", "en", "Widget (thing)"),
    ("3", "200", "900000000000013009", "en", "Widget"),
    ("4", "200", "900000000000013009", "fr", "Bidule"),
    ("5", "300", "900000000000003001", "en", "Red widget (thing)"),
    ("6", "300", "900000000000013009", "en", "Crimson widget"),
    ("7", "300", "900000000000013009", "en", "Red widget"),
    ("8", "400", "900000000000003001", "en", "Old thing (thing)"),
]
_RELATIONS = [("200", "100", "1"), ("300", "200", "1"), ("300", "100", "0")]


def loinc(folder: Path) -> Path:
    """A release with two terms and two parts."""
    release = folder / "Loinc_2.99"
    (release / "LoincTable").mkdir(parents=True)
    (release / "LoincTable" / "Loinc.csv").write_text(LOINC)
    hierarchy = release / "AccessoryFiles" / "ComponentHierarchyBySystem"
    hierarchy.mkdir(parents=True)
    (hierarchy / "ComponentHierarchyBySystem.csv").write_text(HIERARCHY)
    return release


def snomed(folder: Path) -> Path:
    """A release with four concepts, one of them inactive."""
    release = folder / "SnomedCT_Made_Up"
    terms = release / "Snapshot" / "Terminology"
    terms.mkdir(parents=True)
    head = "effectiveTime\tactive\tmoduleId"
    rows = [
        f"{code}\t20260101\t{active}\t900000000000207008\t900000000000074008"
        for code, active in _CONCEPTS
    ]
    _write(
        terms / "sct2_Concept_Snapshot_INT_20260101.txt", f"id\t{head}\tdefinitionStatusId", rows
    )
    rows = [
        f"{id_}\t20260101\t1\t900000000000207008\t{concept}\t{language}\t{type_}\t{term}\t0"
        for id_, concept, type_, language, term in _DESCRIPTIONS
    ]
    names = f"id\t{head}\tconceptId\tlanguageCode\ttypeId\tterm\tcaseSignificanceId"
    _write(terms / "sct2_Description_Snapshot-en_INT_20260101.txt", names, rows)
    rows = [
        f"{at}\t20260101\t{active}\t900000000000207008\t{source}\t{target}\t0\t116680003\t0\t0"
        for at, (source, target, active) in enumerate(_RELATIONS)
    ]
    names = f"id\t{head}\tsourceId\tdestinationId\trelationshipGroup\ttypeId\tcharacteristicTypeId"
    _write(terms / "sct2_Relationship_Snapshot_INT_20260101.txt", names + "\tmodifierId", rows)
    language = release / "Snapshot" / "Refset" / "Language"
    language.mkdir(parents=True)
    names = f"id\t{head}\trefsetId\treferencedComponentId\tacceptabilityId"
    rows = ["x\t20260101\t1\t900000000000207008\t900000000000509007\t7\t900000000000548007"]
    _write(language / "der2_cRefset_LanguageSnapshot-en_INT_20260101.txt", names, rows)
    return release


def table(folder: Path) -> Path:
    """A table with a hierarchy, a French display and two properties."""
    path = folder / "things.csv"
    path.write_text(
        "code,display,parent,language:fr,notSelectable,colour\n"
        'T,Thing,,Chose,true,\nW,"Widget, small",T,Bidule,,red\nG,Gadget,T|W,,,green\n'
    )
    return path


def fhir(folder: Path) -> Path:
    """A CodeSystem with nested concepts, a property and a designation."""
    path = folder / "things.json"
    resource = {
        "resourceType": "CodeSystem",
        "url": "http://example.org/things",
        "version": "7",
        "status": "active",
        "content": "complete",
        "property": [{"code": "colour", "type": "code"}],
        "concept": [
            {
                "code": "T",
                "display": "Thing",
                "concept": [
                    {
                        "code": "W",
                        "display": "Widget",
                        "property": [{"code": "colour", "valueCode": "red"}],
                        "designation": [{"language": "fr", "value": "Bidule"}],
                        "concept": [{"code": "RW", "display": "Red widget"}],
                    }
                ],
            }
        ],
    }
    path.write_text(json.dumps(resource))
    return path


def _write(path: Path, head: str, rows: list[str]) -> None:
    path.write_text("\r\n".join([head, *rows]) + "\r\n")
