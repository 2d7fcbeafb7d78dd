"""The one way from content to a version that can be stored.

https://hl7.org/fhir/R4/http.html#create, https://hl7.org/fhir/R4/http.html#update
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fhir_server.errors import (
    Issue,
    MalformedContent,
    MalformedRequest,
    TooLarge,
    Unprocessable,
)
from fhir_server.exchange import FhirRequest, Prefer
from fhir_server.fhir import codec, elements
from fhir_server.fhir.codec import Resource
from fhir_server.fhir.elements import NONE, Content, Elements, named
from fhir_server.interactions.content import read_known
from fhir_server.interactions.literal_references import refuse_conditional_references
from fhir_server.interactions.search_parameters import search_parameter_faults
from fhir_server.search.keys import Keys
from fhir_server.services import Services
from fhir_server.store.uploads import Upload
from fhir_server.store.version import Version


class Draft(msgspec.Struct, frozen=True, gc=False):
    """Checked content under its id, with its search keys; it still lacks version and instant.

    Of a Binary whose data came as an `upload` the resource and `raw` lack that too.
    """

    type: str
    id: str
    resource: Resource
    raw: bytes
    keys: Keys
    upload: Upload | None = None
    elements: Elements = NONE

    def version(self, number: int, updated: int, method: str) -> Version:
        """The version to store; `updated` is in microseconds since 1970 UTC."""
        if self.elements:
            raw = elements.stamp(self.elements, self.type, self.id, number, updated)
        else:
            raw = codec.stamp(self.raw, self.type, self.id, number, updated)
        if self.upload is not None:
            blob = self.upload.blob(raw)
            return Version(self.type, self.id, number, updated, b"", method, self.keys, blob=blob)
        return Version(self.type, self.id, number, updated, raw, method, self.keys)


def checked_type(content: Content, type_: str) -> str:
    """The resource's type; MalformedContent or MalformedRequest unless it is `type_`."""
    found = content.resource.get("resourceType")
    if not isinstance(found, str) or not found:
        raise MalformedContent(
            f"The body has no resourceType; '{type_}' is expected", expression="resourceType"
        )
    if found != type_:
        raise MalformedRequest(
            f"The body's resourceType is {found[:80]}, but the URL says {type_}",
            expression="resourceType",
        )
    return found


def check(content: Content, request: FhirRequest, services: Services) -> None:
    """Raise Unprocessable with every fault of the content; what only warns is left out.

    `Prefer: handling=lenient` lets the two kinds of fault pass that hinder nobody from reading the
    rest: a reference to a type that the element does not allow, and an empty narrative.
    """
    limit = services.settings.max_blob_bytes
    if len(content.raw) > limit and (size := _size(content)) > limit:
        raise TooLarge(f"The resource has {size} bytes; at most {limit} are stored")
    header = request.headers.get("prefer", "")
    lenient = bool(header) and Prefer(header).handling == "lenient"
    found = services.validator.errors(content.resource, lenient, content.elements)
    if found:
        refuse(found)
    if content.resource["resourceType"] == "SearchParameter":
        refuse(search_parameter_faults(content.resource, services))


def _size(content: Content) -> int:
    """The bytes of a resource; of a Binary the content counts, not its base64."""
    data = content.resource.get("data")
    if content.resource["resourceType"] == "Binary" and isinstance(data, str):
        decoded = len(data) // 4 * 3 - data[-2:].count("=")
        return max(len(content.raw) - len(data), decoded)
    return len(content.raw)


def refuse(issues: Sequence[Issue]) -> None:
    """Raise Unprocessable when one of the issues is an error; warnings pass."""
    if issues and any(issue.severity in ("error", "fatal") for issue in issues):
        raise Unprocessable(issues=issues)


def draft(content: Content, id_: str, services: Services, upload: Upload | None = None) -> Draft:
    """The checked content under the id that it will have, and its keys."""
    content = named(content, id_)
    resource, known = content.resource, content.elements
    keys = services.indexer(resource, known)
    return Draft(resource["resourceType"], id_, resource, content.raw, keys, upload, known)


def new_draft(request: FhirRequest, services: Services) -> Draft:
    """The body as a new resource: an id in it is ignored, the server gives one of its own."""
    content = read_known(request, services)
    checked_type(content, request.target.type)
    id_ = services.new_id()
    content = named(content, id_)
    check(content, request, services)
    refuse_conditional_references(content.resource, content.raw)
    return draft(content, id_, services, request.upload)


def draft_for(request: FhirRequest, services: Services) -> Draft:
    """The body as the content of the resource that the URL names; both must say the same id."""
    content = read_known(request, services)
    checked_type(content, request.target.type)
    check_id(content.resource, request.target.id)
    check(content, request, services)
    refuse_conditional_references(content.resource, content.raw)
    return draft(content, request.target.id, services, request.upload)


def check_id(resource: Resource, id_: str) -> None:
    """Raise MalformedRequest unless the resource has this id."""
    type_, found = resource["resourceType"], resource.get("id")
    if found is None:
        raise MalformedRequest(
            f"The body has no id; it must have the URL's, '{id_}'", expression=f"{type_}.id"
        )
    if found != id_:
        raise MalformedRequest(
            f"The body's id '{str(found)[:80]}' is not the URL's, '{id_}'",
            expression=f"{type_}.id",
        )


def instant_after(previous: Version | None, services: Services) -> int:
    """A lastUpdated for a new version: now, but always after the version before it."""
    now = services.store.stamp()
    return now if previous is None else max(now, previous.updated + 1000)
