"""Tags and security labels survive an update.

https://hl7.org/fhir/R4/resource.html#Meta: they are set by whoever is responsible for them, and an
application that replaces the content may not know of them. So an update adds to what it sends the
tags and security labels that the current version has; `meta.profile` and `meta.source` are what
the update says. A patch, and the operation $meta-delete, take labels away.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec.structs import replace

from fhir_server.fhir import codec
from fhir_server.fhir.elements import NONE
from fhir_server.interactions.write import Draft
from fhir_server.services import Services
from fhir_server.store.version import Version

_UNLABELLED = re.compile(
    rb'\{"resourceType":"[A-Za-z]+","id":"[^"]+","meta":\{'
    rb'(?:"[A-Za-z]+":(?:"[^"\\]*"|\[(?:"[^"\\]*",?)+\]),?)+\}'
)
"""How most resources are stored: with texts in their meta and lists of them; labels are objects."""


class _Labels(msgspec.Struct):
    tag: list[dict[str, Any]] = msgspec.field(default_factory=list)
    security: list[dict[str, Any]] = msgspec.field(default_factory=list)


class _Labelled(msgspec.Struct):
    meta: _Labels = msgspec.field(default_factory=_Labels)


def keep_labels(new: Draft, current: Version, services: Services) -> Draft:
    """The draft with the tags and security labels of the current version added to its own."""
    if current.deleted or _UNLABELLED.match(current.outline):
        return new
    kept = msgspec.json.decode(current.outline, type=_Labelled).meta
    meta = dict(new.resource.get("meta") or {})
    changed = False
    for name, before in (("security", kept.security), ("tag", kept.tag)):
        own = meta.get(name) or []
        known = {(coding.get("system"), coding.get("code")) for coding in own}
        missing = [c for c in before if (c.get("system"), c.get("code")) not in known]
        if missing:
            meta[name] = [*own, *missing]
            changed = True
    if not changed:
        return new
    resource = {**new.resource, "meta": meta}
    raw, keys = codec.encode(resource), services.indexer(resource)
    return replace(new, resource=resource, raw=raw, keys=keys, elements=NONE)
