"""URIs: https://hl7.org/fhir/R4/search.html#uri.

Compared to the letter. `:below` finds the URL and what continues it after a `/`; `:above` finds
those that it continues. URNs have no such order: with either modifier they are found as they are.
A canonical (`_profile`) is found with and without its `|version`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fhir_server.errors import MalformedRequest
from fhir_server.search.collector import LIMIT, Collector, shortened
from fhir_server.search.kinds import Filter, MatchContext, Node
from fhir_server.search.values import any_of, begins, keyed, missing, unescape, unsupported

if TYPE_CHECKING:
    from fhir_server.search.registry import Parameter

MODIFIERS = ("above", "below")


class Uri:
    """The kind of parameters of type `uri`."""

    def index(self, parameter: Parameter, nodes: Sequence[Node], out: Collector) -> None:
        code, keys = parameter.code, out.keys
        out.seen[code] = None
        for type_, value in nodes:
            keys[f"{code}={shortened(value)}"] = None
            if type_ == "canonical" and "|" in value:
                keys[f"{code}={shortened(value.partition('|')[0])}"] = None

    def match(
        self, parameter: Parameter, modifier: str, values: Sequence[str], context: MatchContext
    ) -> Filter:
        code = parameter.code
        wanted = [unescape(value) for value in values]
        match modifier:
            case "":
                return keyed([f"{code}={shortened(uri)}" for uri in wanted])
            case "above":
                return keyed([f"{code}={shortened(one)}" for uri in wanted for one in above(uri)])
            case "below":
                return any_of([_below(code, uri) for uri in wanted])
            case "missing":
                return missing(code, parameter.stored, values)
            case _:
                raise unsupported(code, "uri", modifier, MODIFIERS)

    def component_keys(self, parameter: Parameter, node: Node) -> list[str]:
        """What a composite's key says of the node."""
        return [shortened(node[1])]

    def component_match(
        self, parameter: Parameter, value: str, context: MatchContext
    ) -> list[tuple[str, bool]]:
        """The text that a composite's key must have here."""
        return [(shortened(unescape(value)), False)]


def above(uri: str) -> list[str]:
    """The URI and those that it continues, with and without a slash at the end."""
    head, separator, path = uri.partition("://")
    found = [uri]
    if separator:
        while "/" in path:
            path = path.rpartition("/")[0]
            found += [f"{head}://{path}/", f"{head}://{path}"]
    return list(dict.fromkeys(found))


def _below(code: str, uri: str) -> Filter:
    if "://" not in uri:
        return keyed([f"{code}={shortened(uri)}"])
    if len(uri) > LIMIT:
        raise MalformedRequest(f"{code}:below takes a URL of at most {LIMIT} characters")
    if uri.endswith("/"):
        return begins(f"{code}={uri}")
    return any_of([keyed([f"{code}={uri}"]), begins(f"{code}={uri}/")])
