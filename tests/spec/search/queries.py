"""Random searches: types and parameters by what the data has, values from the data and near it."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from fhir_server.fhir import fhirpath, ucum
from fhir_server.fhir.definitions import SearchParameter
from tests.spec.search import reference_values as values
from tests.spec.search.reference import LITERAL, Node, Reference

PREFIXES = ("", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
LEFT_OUT = {
    # `relatesto` and `relation` are named the wrong way round in R4's own definition.
    "relationship",
    # Not from an expression over the resource, or of kinds with tables of their own.
    "_lastUpdated",
    "near",
    "phonetic",
    "_text",
    "_content",
}
NOWHERE = {
    "token": "none",
    "string": "none",
    "reference": "Patient/none",
    "date": "gt2000",
    "uri": "urn:none",
}
"""A value for each kind that no resource has."""

UNITS = {"kg": "g", "g": "kg", "cm": "m", "mg": "g", "mmol/L": "mol/L", "mm[Hg]": "kPa"}

Pair = tuple[str, str]


@dataclass(frozen=True)
class Query:
    """A search on a type: criteria, sort key ("" for none) and how many pages it is read in."""

    type: str
    pairs: tuple[Pair, ...]
    sort: str = ""
    pages: int = 1


class Maker:
    """Makes queries; the same ones from the same seed."""

    def __init__(self, reference: Reference) -> None:
        self.reference = reference
        sizes = {type_: len(all_) for type_, all_ in reference.resources.items()}
        # the square root: a type with a thousand resources is asked ten times as often as one
        # with ten, not a hundred times
        self._types = list(sizes)
        self._weights = [size**0.5 for size in sizes.values()]
        self._present: dict[str, list[SearchParameter]] = {}
        self._pointing: dict[str, list[tuple[str, str]]] = {}
        for type_ in self._types:
            for parameter in reference.codes[type_]:
                if parameter.type == "reference" and parameter.code not in LEFT_OUT:
                    for id_ in reference.resources[type_]:
                        for target, _ in reference.pointed(type_, id_, parameter.code):
                            found = self._pointing.setdefault(target, [])
                            if (type_, parameter.code) not in found:
                                found.append((type_, parameter.code))

    def query(self, seed: int) -> Query:
        """A query."""
        chance = random.Random(seed)
        type_ = chance.choices(self._types, self._weights)[0]
        count = chance.choices((1, 2, 3), (6, 3, 1))[0]
        pairs = tuple(self._pair(chance, type_) for _ in range(count))
        if chance.random() < 0.05:
            pairs += pairs[:1]
        sort = ""
        if chance.random() < 0.25:
            kinds = ("date", "number", "string", "uri", "token")
            known = [one.code for one in self._parameters(type_) if one.type in kinds]
            if known:
                sort = chance.choice(("", "-")) + chance.choice(known)
        return Query(type_, pairs, sort, chance.choice((1, 1, 1, 2, 4)))

    def _parameters(self, type_: str) -> list[SearchParameter]:
        """The parameters that at least one resource has a value of."""
        known = self._present.get(type_)
        if known is None:
            known = [
                one
                for one in self.reference.codes[type_]
                if one.code not in LEFT_OUT
                and one.type != "special"
                and any(self.reference.nodes(type_, one.code).values())
            ]
            self._present[type_] = known
        return known

    def _pair(self, chance: random.Random, type_: str, depth: int = 0) -> Pair:
        draw = chance.random()
        if draw < 0.15 and depth < 2:
            references = [one for one in self._parameters(type_) if one.type == "reference"]
            chains = []
            for one in references:
                targets = {
                    target
                    for id_ in self.reference.resources[type_]
                    for target, _ in self.reference.pointed(type_, id_, one.code)
                    if target in self.reference.resources
                }
                chains += [(one, target) for target in targets if target in (one.target or targets)]
            if chains:
                one, target = chance.choice(sorted(chains, key=lambda it: (it[0].code, it[1])))
                name, value = self._pair(chance, target, depth + 1)
                return f"{one.code}:{target}.{name}", value
        if draw > 0.88 and depth < 2 and type_ in self._pointing:
            source, code = chance.choice(self._pointing[type_])
            name, value = self._pair(chance, source, depth + 1)
            return f"_has:{source}:{code}:{name}", value
        parameters = self._parameters(type_)
        if not parameters or chance.random() < 0.03:
            parameters = [
                one
                for one in self.reference.codes[type_]
                if one.code not in LEFT_OUT and one.type not in ("special", "composite")
            ]
        parameter = chance.choice(parameters)
        if chance.random() < 0.05:
            return f"{parameter.code}:missing", chance.choice(("true", "false"))
        nodes = [
            node for found in self.reference.nodes(type_, parameter.code).values() for node in found
        ]
        if not nodes:
            return f"{parameter.code}:missing", "true"
        modifier = self._modifier(chance, parameter, nodes)
        count = chance.choices((1, 2, 3), (7, 2, 1))[0]
        wanted = [
            self._value(chance, parameter, type_, chance.choice(nodes), modifier)
            for _ in range(count)
        ]
        return parameter.code + (f":{modifier}" if modifier else ""), ",".join(
            one for one in wanted if one
        ) or "nothing-like-it" if parameter.type in ("string", "token") else ",".join(wanted)

    def _modifier(
        self, chance: random.Random, parameter: SearchParameter, nodes: list[Node]
    ) -> str:
        kinds = {kind for kind, _ in nodes}
        known: dict[str, list[str]] = {
            "string": ["", "", "exact", "contains"],
            "token": ["", "", "", "not", "text", "of-type"]
            if "Identifier" in kinds
            else ["", "", "", "not", "text"],
            "uri": ["", "above", "below"],
            "reference": ["", "", "", "identifier", "[type]"],
        }
        if parameter.code == "_id":
            known["token"] = ["", "not"]
        if parameter.type == "reference" and "Reference" not in kinds:
            known["reference"] = ["", "below"] if kinds & {"canonical", "uri"} else [""]
        found = chance.choice(known.get(parameter.type, [""]))
        if found == "[type]":
            types = [
                match[1]
                for _, value in nodes
                if isinstance(value, dict)
                and (match := LITERAL.fullmatch(value.get("reference", "")))
            ]
            return chance.choice(types) if types else ""
        return found

    def _value(
        self,
        chance: random.Random,
        parameter: SearchParameter,
        type_: str,
        node: Node,
        modifier: str,
    ) -> str:
        made: dict[str, Callable[[], str]] = {
            "string": lambda: _string(chance, node, modifier),
            "token": lambda: _token(chance, node, modifier),
            "date": lambda: _date(chance, node),
            "number": lambda: chance.choice(PREFIXES) + _near(chance, _number(node)),
            "quantity": lambda: _quantity(chance, node),
            "uri": lambda: _uri(chance, node[1], modifier),
            "reference": lambda: self._reference(chance, node, modifier),
            "composite": lambda: self._composite(chance, parameter, type_, node),
        }
        return made[parameter.type]()

    def _reference(self, chance: random.Random, node: Node, modifier: str) -> str:
        type_, value = node
        if isinstance(value, str):
            whole = value.partition("#")[0] or "none"
            return escaped(chance.choice((whole, whole.partition("|")[0], whole + "x")))
        if modifier == "identifier":
            return _token(chance, ("Identifier", value.get("identifier", {"value": "none"})), "")
        text = value.get("reference", "") if type_ == "Reference" else "Composition/none"
        text = text or "none"
        if text.startswith("#"):
            text = "none"
        short = text.rpartition("/")[2]
        if modifier:
            return short
        if not re.fullmatch(r"[A-Z][A-Za-z]+/[A-Za-z0-9.-]+", text):
            return escaped(text)
        return escaped(
            chance.choice((text, text, short, f"{self.reference.base}/{text}", text + "x"))
        )

    def _composite(
        self, chance: random.Random, parameter: SearchParameter, type_: str, node: Node
    ) -> str:
        parts = []
        for component in parameter.components:
            own = self.reference.by_url[component.definition]
            found = [
                (kind, value)
                for kind, value, _ in fhirpath.compile(component.expression).nodes(node[1], node[0])
                if value is not None
            ]
            if found and chance.random() < 0.9:
                parts.append(self._value(chance, own, type_, chance.choice(found), ""))
            else:
                parts.append(NOWHERE.get(own.type, "gt0"))
        return "$".join(part or "none" for part in parts)


def escaped(text: str) -> str:
    """The text with a backslash before the signs that have a meaning."""
    return re.sub(r"([\\,$|])", r"\\\1", text)


def _string(chance: random.Random, node: Node, modifier: str) -> str:
    texts = [text for text in values.texts(*node) if text] or ["none"]
    text = chance.choice(texts)[:150]
    draw = chance.random()
    if draw < 0.3:
        text = text[: chance.randint(1, len(text))]
    elif draw < 0.5:
        start = chance.randrange(len(text))
        text = text[start : start + chance.randint(1, 20)]
    if chance.random() < 0.2:
        text = text.swapcase()
    return escaped(text) if values.plain(text) else "none"


def _token(chance: random.Random, node: Node, modifier: str) -> str:
    type_, value = node
    if modifier == "text":
        shown = []
        if isinstance(value, dict):
            shown = [value.get("text"), value.get("display")]
            shown += [one.get("display") for one in value.get("coding", ())]
            shown += (
                [value["type"].get("text")] if type_ == "Identifier" and "type" in value else []
            )
        shown = [text for text in shown if text]
        if not shown:
            return "none"
        text = chance.choice(shown)[:150]
        return escaped(text[: chance.randint(1, len(text))]).strip() or "none"
    if modifier == "of-type":
        kinds = value.get("type", {}).get("coding", [{}]) if type_ == "Identifier" else [{}]
        parts = (kinds[0].get("system"), kinds[0].get("code"), value.get("value"))
        return "|".join(escaped(part or "none") for part in parts)
    found = values.codings(type_, value)
    if not found:
        return "none"
    system, code = chance.choice(found)
    if not code:
        return f"{escaped(system)}|" if system else "none"
    code = escaped(code)
    forms = [code, code, code.swapcase(), code + "x"]
    if type_ in ("CodeableConcept", "Coding", "Identifier"):
        forms += [f"|{code}"]
        if system:
            forms += [f"{escaped(system)}|{code}"] * 3 + [f"{escaped(system)}|"]
            forms += [f"{escaped(system)}x|{code}"]
    return chance.choice(forms)


def _date(chance: random.Random, node: Node) -> str:
    texts = re.findall(r"\d{4}(?:-\d\d(?:-\d\d(?:T\d\d:\d\d[^\"' ]*)?)?)?", str(node[1]))
    if not texts:
        return chance.choice(PREFIXES) + "2015-03"
    text = chance.choice(texts)
    draw = chance.random()
    if draw < 0.35:
        text = text[: chance.choice((4, 7, 10))]
    elif draw < 0.7:
        low, high = values.moments(text)
        moment = chance.choice((low, high + 1, low - 1000, low + (high - low) // 2))
        moment += chance.choice((0, 0, 1_000, -1_000, 86_400_000_000, -86_400_000_000))
        shown = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=moment)
        text = shown.isoformat(timespec="milliseconds").replace("+00:00", "")
        text = chance.choice((text[:4], text[:7], text[:10], text[:16] + "Z", text[:19] + "Z",
                              text + "Z"))  # fmt: skip
    return chance.choice(PREFIXES) + text


def _number(node: Node) -> Decimal:
    type_, value = node
    if type_ == "Range":
        value = (value.get("low") or value.get("high") or {}).get("value", 1)
    return Decimal(value)


def _near(chance: random.Random, value: Decimal) -> str:
    value = Decimal(f"{value:.10g}")  # the server compares doubles: stay far from their last digit
    exponent = int(value.as_tuple().exponent)
    step = Decimal(1).scaleb(exponent)
    near = (value, value, value + step, value - step, value + step / 2, value - step / 2)
    found = chance.choice(near)
    if chance.random() < 0.3 and value:
        found = found.scaleb(0).quantize(Decimal(1).scaleb(max(found.adjusted() - 1, -6)))
    if chance.random() < 0.1:
        found = (
            Decimal(str(found) + ("0" if "." in str(found) else ".0"))
            if "E" not in str(found)
            else found
        )
    return str(found)


def _quantity(chance: random.Random, node: Node) -> str:
    type_, value = node
    unit = value if isinstance(value, dict) else {}
    if type_ == "Range":
        unit = value.get("low") or value.get("high") or {}
    if type_ == "SampledData":
        unit = value["origin"]
    exact = Decimal(unit.get("value", 1))
    code, system = unit.get("code"), unit.get("system")
    if type_ == "Money":
        code, system = value.get("currency"), "urn:iso:std:iso:4217"
    forms = [""]
    if code:
        forms += [f"||{escaped(code)}", f"|{escaped(system or '')}|{escaped(code)}"]
        if system == values.UCUM and code in UNITS:
            forms.append(f"|{system}|{UNITS[code]}")
    if unit.get("unit"):
        forms.append(f"||{escaped(unit['unit'])}")
    form = chance.choice(forms)
    if form and code in UNITS and form.endswith("|" + UNITS[code]) and system:
        converted = ucum.convert(exact, code, UNITS[code])
        exact = Decimal(f"{converted:.6g}") if converted is not None else exact
    return chance.choice(PREFIXES) + _near(chance, exact) + form


def _uri(chance: random.Random, value: str, modifier: str) -> str:
    forms = [value, value, value.rpartition("/")[0] or value, value + "/more", value + "x"]
    return escaped(chance.choice(forms))
