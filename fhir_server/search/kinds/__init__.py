"""The kinds of search parameter: how a value is turned to keys, and how it is looked for.

One module per `SearchParameter.type` (https://hl7.org/fhir/R4/search.html#ptypes). What `index`
writes and what `match` asks for lie side by side, because they must agree to the letter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from fhir_server.search.collector import Collector
    from fhir_server.search.registry import Parameter, Registry

Filter = dict[str, Any]
"""A MongoDB filter over the document of a resource (`_id`, `u`, `p`, `d`, `e`, `k`, `r`)."""


Node: TypeAlias = tuple[str, Any]
"""A value that a parameter's expression leads to: its FHIR type and its JSON.

A primitive value is never empty: an element that has only extensions is no node.
"""


class Terminology(Protocol):
    """What the modifiers of tokens ask of the terminology service; answers are (system, code).

    `system` is None where the request named none. All raise MalformedRequest for a system, code
    or value set that they do not know, and TooCostly for an answer that is too long.
    """

    async def prepare(self, code: str, modifier: str, values: Sequence[str]) -> None:
        """Find what the values of `code:modifier=` stand for, before the others are asked."""

    def below(self, system: str | None, code: str) -> Sequence[tuple[str, str]]:
        """The concept and all that it subsumes."""

    def above(self, system: str | None, code: str) -> Sequence[tuple[str, str]]:
        """The concept and all that subsume it."""

    def expand(self, value_set: str) -> Sequence[tuple[str, str]]:
        """The members of a value set, named by canonical URL or by reference (`ValueSet/1`)."""


@dataclass(frozen=True, slots=True)
class MatchContext:
    """What a match depends on besides its parameter.

    `type` is the type that is searched, `base_url` the server's own without a slash at its end,
    `now` the time of the request in microseconds since 1970 (the prefix `ap` needs it), `zone`
    the one that dates without a zone are read in.
    """

    type: str
    registry: Registry
    base_url: str
    now: int
    terminology: Terminology | None = None
    zone: tzinfo = UTC


class Kind(Protocol):
    """One type of search parameter."""

    def index(self, parameter: Parameter, nodes: Sequence[Node], out: Collector) -> None:
        """Add the keys of the nodes to `out`. Raises Unprocessable for what it cannot index."""

    def match(
        self, parameter: Parameter, modifier: str, values: Sequence[str], context: MatchContext
    ) -> Filter:
        """The filter for `code:modifier=value,value`.

        `values` are the parts between commas with their escapes (`\\,` `\\|` `\\$` `\\\\`) still
        in them; any of them is enough (with `:not` and `:not-in`: none may be). `modifier` comes
        without its colon, empty where there is none; `missing` is understood by every kind.
        Raises UnsupportedParameter for a modifier or prefix that the kind has not, and
        MalformedRequest for a value that is none. A filter may be met by resources of the type
        whose keys lack `*` only if the caller leaves it out: `$nin` and `$or` come as they are,
        so an index needs a `k` beside them.
        """
