"""One request and one response of the FHIR API, free of HTTP.

The HTTP edge, batch and transaction all speak in these.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from fhir_server.access.grant import Grant
from fhir_server.errors import MalformedRequest

if TYPE_CHECKING:
    from fhir_server.access.principal import Principal
    from fhir_server.store.transaction import Session
    from fhir_server.store.uploads import Upload

FHIR_JSON = "application/fhir+json"

Pairs = tuple[tuple[str, str], ...]


class Target(msgspec.Struct, frozen=True, gc=False):
    """What a path names; what it does not name is empty.

    `member` is the type searched for in a compartment, `*` for all of them.
    """

    type: str = ""
    id: str = ""
    version: str = ""
    operation: str = ""
    member: str = ""


@dataclass(slots=True)
class FhirRequest:
    """A request below the base URL.

    `query` holds the decoded pairs of the URL and of a search form, in order; `headers` have lower
    case names; `body` is always the bytes as sent, of the media type in the header `content-type`
    (empty when it has none). `base` is the public base URL without a slash at its end.
    `resource` is the parsed body where somebody parsed it already (an entry of a Bundle).
    `upload` has the content of a raw Binary that is too large to be held; the body is empty then.
    `principal` is who calls, None where nobody is known.
    """

    method: str
    path: str
    grant: Grant
    base: str
    query: Pairs = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    target: Target = Target()
    session: Session | None = None
    request_id: str = ""
    resource: dict[str, Any] | None = None
    principal: Principal | None = None
    upload: Upload | None = None

    def header(self, name: str) -> str:
        """The header's value, empty where it was not sent."""
        return self.headers.get(name, "")

    def parameter(self, name: str) -> str | None:
        """The last value of a query parameter; None where it was not given."""
        for key, value in reversed(self.query):
            if key == name:
                return value
        return None


@dataclass(slots=True)
class FhirResponse:
    """A response: a whole body or a stream of its parts, FHIR JSON unless a header says otherwise.

    `fhir` is False for bodies that are no FHIR resource (raw Binary, NDJSON); they are not
    converted to XML nor indented.
    """

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    stream: AsyncIterator[bytes] | None = None
    fhir: bool = True


class Prefer:
    """The Prefer header (RFC 7240) as FHIR uses it: `return` and `handling`."""

    def __init__(self, header: str) -> None:
        self._values = _preferences(header)

    @property
    def returning(self) -> str:
        """`minimal`, `representation`, `OperationOutcome`, or empty where nothing was said."""
        value = self._values.get("return", "")
        if value not in ("", "minimal", "representation", "OperationOutcome"):
            raise MalformedRequest(
                f"Prefer: return={value} is not known; "
                "use minimal, representation or OperationOutcome"
            )
        return value

    @property
    def handling(self) -> str:
        """`strict`, `lenient`, or empty where nothing was said."""
        value = self._values.get("handling", "")
        if value not in ("", "strict", "lenient"):
            raise MalformedRequest(f"Prefer: handling={value} is not known; use strict or lenient")
        return value


@lru_cache(maxsize=64)  # clients send the same few
def _preferences(header: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for part in header.replace(";", ",").split(","):
        name, _, value = part.partition("=")
        if name.strip():
            found.setdefault(name.strip().lower(), value.strip().strip('"'))
    return found
