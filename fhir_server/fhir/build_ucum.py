"""Makes `data/ucum.json` from the official `ucum-essence.xml`.

    python -m fhir_server.fhir.build_ucum PATH/ucum-essence.xml

The same input gives the same bytes. Symbols, magnitudes and definitions are carried over unchanged;
the notice that the UCUM licence asks for lies beside the table (`data/ucum.NOTICE.md`).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from lxml import etree

_NS = "{http://unitsofmeasure.org/ucum-essence}"
TABLE = Path(__file__).parent / "data" / "ucum.json"


def build(source: Path) -> str:
    """The table as JSON text, one row a line.

    prefixes: code -> [magnitude, name]; base: code -> name;
    units: code -> [metric, arbitrary, function or "", value, unit, name].
    """
    root = etree.parse(str(source)).getroot()
    prefixes = {
        p.get("Code"): [_value(p).get("value"), _name(p)] for p in root.iter(f"{_NS}prefix")
    }
    base = {b.get("Code"): _name(b) for b in root.iter(f"{_NS}base-unit")}
    units = {u.get("Code"): _unit(u) for u in root.iter(f"{_NS}unit")}
    head = {"version": root.get("version"), "date": root.get("revision-date")}
    parts = [f'"{key}": {json.dumps(value)}' for key, value in head.items()]
    for name, rows in (("prefixes", prefixes), ("base", base), ("units", units)):
        lines = ",\n".join(
            f"{json.dumps(code)}: {json.dumps(row, ensure_ascii=False)}"
            for code, row in sorted(rows.items())
        )
        parts.append(f'"{name}": {{\n{lines}\n}}')
    return "{" + ",\n".join(parts) + "}\n"


def _unit(unit: etree._Element) -> list[object]:
    value = _value(unit)
    function = value.find(f"{_NS}function")
    source = value if function is None else function
    return [
        unit.get("isMetric") == "yes",
        unit.get("isArbitrary") == "yes",
        "" if function is None else function.get("name"),
        source.get("value"),
        source.get("Unit"),
        _name(unit),
    ]


def _value(element: etree._Element) -> etree._Element:
    value = element.find(f"{_NS}value")
    if value is None:
        raise ValueError(f"{element.get('Code')} has no value")
    return value


def _name(element: etree._Element) -> str:
    return element.findtext(f"{_NS}name") or ""


if __name__ == "__main__":
    TABLE.write_text(build(Path(sys.argv[1])), encoding="utf-8")
