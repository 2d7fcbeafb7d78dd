"""References: https://hl7.org/fhir/R4/search.html#reference.

Keys of `code=`: `Type/id` for what lies on this server (its own base URL is dropped), with the
version too where the reference has one; the whole URL for others; `url` and `url|version` for
canonicals. `code:identifier=` has the tokens of `Reference.identifier`. References to contained
resources have no key, but count as values for `:missing`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from fhir_server.errors import MalformedRequest
from fhir_server.search.collector import LIMIT, Collector, shortened
from fhir_server.search.kinds import Filter, MatchContext, Node
from fhir_server.search.kinds.token import Token
from fhir_server.search.references import literal
from fhir_server.search.values import any_of, begins, keyed, missing, shown, unescape, unsupported

if TYPE_CHECKING:
    from fhir_server.search.registry import Parameter

CANONICAL = frozenset(("canonical", "uri", "url"))
_TOKEN = Token()


class Reference:
    """The kind of parameters of type `reference`."""

    def index(self, parameter: Parameter, nodes: Sequence[Node], out: Collector) -> None:
        code, keys = parameter.code, out.keys
        out.seen[code] = None
        for type_, value in nodes:
            for target in _targets(parameter, type_, value, out.base_url):
                keys[f"{code}={target}"] = None
                if type_ == "Reference" and "/_history/" not in target and ":" not in target:
                    out.references[code, target] = None
            if type_ == "Reference" and "identifier" in value:
                for form in _identifier(parameter, value["identifier"]):
                    keys[f"{code}:identifier={form}"] = None

    def match(
        self, parameter: Parameter, modifier: str, values: Sequence[str], context: MatchContext
    ) -> Filter:
        code = parameter.code
        if modifier == "missing":
            return missing(code, parameter.stored, values)
        if modifier == "identifier":
            return _TOKEN.named(f"{code}:identifier", parameter, values)
        if modifier == "below" and not parameter.types.isdisjoint(CANONICAL):
            return any_of([_below(code, unescape(value)) for value in values])
        if modifier and modifier not in context.registry.definitions.resource_types:
            raise unsupported(
                code, "reference", modifier, ("identifier", "above", "below", "[type]")
            )
        wanted: list[str] = []
        for value in values:
            wanted += self._wanted(parameter, modifier, value, context)
        if parameter.patient and all(_is_patient(target) for target in wanted):
            ids = list(dict.fromkeys(target[len("Patient/") :] for target in wanted))
            return {"p": ids[0]} if len(ids) == 1 else {"p": {"$in": ids}}
        return keyed([f"{code}={target}" for target in wanted])

    def component_keys(self, parameter: Parameter, node: Node) -> list[str]:
        """What a composite's key says of the node."""
        return list(_targets(parameter, *node, None))

    def component_match(
        self, parameter: Parameter, value: str, context: MatchContext
    ) -> list[tuple[str, bool]]:
        """The texts that a composite's key may have here."""
        return [(text, False) for text in self._wanted(parameter, "", value, context)]

    def _wanted(
        self, parameter: Parameter, type_: str, value: str, context: MatchContext
    ) -> list[str]:
        text = local(unescape(value), context.base_url)
        if not text or any(sign.isspace() for sign in text):
            raise MalformedRequest(
                f"{parameter.code}={shown(value)} is no reference: write id, Type/id or a URL"
            )
        if ":" not in text and "/" not in text and "|" not in text:
            return [f"{name}/{text}" for name in ([type_] if type_ else parameter.targets)]
        target = literal(text)
        if type_ and (target is None or target.type != type_):
            raise MalformedRequest(
                f"{parameter.code}:{type_}={shown(value)} names another type; leave one of them out"
            )
        return [shortened(text)]


def local(reference: str, base_url: str | None) -> str:
    """The reference without the server's own base URL before it."""
    if base_url and reference.startswith(base_url) and reference[len(base_url) :][:1] == "/":
        return reference[len(base_url) + 1 :]
    return reference


def _targets(parameter: Parameter, type_: str, value: Any, base_url: str | None) -> Iterator[str]:
    if type_ == "Reference":
        text = value.get("reference")
        if text is None or text.startswith("#"):
            return
        text = local(text, base_url)
        yield shortened(text)
        if "/_history/" in text and literal(text) is not None:
            yield shortened(text.partition("/_history/")[0])
    elif type_ in CANONICAL:
        yield shortened(value)
        if "|" in value or "#" in value:
            yield shortened(value.partition("#")[0])
            yield shortened(value.partition("#")[0].partition("|")[0])
    elif value.get("resourceType") in parameter.targets and "id" in value:
        yield f"{value['resourceType']}/{value['id']}"


def _identifier(parameter: Parameter, identifier: dict[str, Any]) -> Iterator[str]:
    yield from _TOKEN.all_forms(parameter, ("Identifier", identifier))


def _is_patient(target: str) -> bool:
    return target.startswith("Patient/") and target.count("/") == 1


def _below(code: str, canonical: str) -> Filter:
    """The canonical itself, or a version that continues its own (`|1` finds `|1.2`)."""
    if len(canonical) > LIMIT:
        raise MalformedRequest(f"{code}:below takes a canonical of at most {LIMIT} characters")
    exact = keyed([f"{code}={canonical}"])
    if "|" in canonical:
        return any_of([exact, begins(f"{code}={canonical}.")])
    return exact
