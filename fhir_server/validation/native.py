"""Rules that R4's text states and no invariant has.

https://hl7.org/fhir/R4/datatypes.html#Attachment, https://hl7.org/fhir/R4/bundle.html,
https://hl7.org/fhir/R4/element.html (ids), https://hl7.org/fhir/R4/questionnaire.html
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as NoBase64
from hashlib import sha1
from typing import Any

from fhir_server.validation.faults import Faults, above, shown
from fhir_server.validation.rule import Holder, Walk

__all__ = ["NATIVE"]

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:").match
_RESTFUL = re.compile(r"https?://.*/([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})").fullmatch
_ONCE = frozenset({"self", "first", "last", "next", "previous", "prev"})
_REQUESTS = frozenset({"transaction", "batch"})


def _attachment(value: Any, owner: dict[str, Any], holder: Holder) -> Faults:
    """Size and hash are those of the data."""
    data = value.get("data")
    if data is None or ("size" not in value and "hash" not in value):
        return None
    try:
        content = b64decode(data)
    except (NoBase64, ValueError):
        return None  # a fault of the data's own
    faults: Faults = None
    size = value.get("size", len(content))
    if size != len(content):
        text = f"size is {size}, but data has {len(content)} bytes"
        faults = holder.fault("invalid", text)
    if "hash" in value and b64decode(value["hash"]) != sha1(content).digest():
        # R4's own example has the hash of something else.
        text = "hash is not the SHA-1 of data"
        faults = _add(faults, holder.fault("invalid", text, severity="warning"))
    return faults


def _bundle(value: Any, owner: dict[str, Any], holder: Holder) -> Faults:
    """Links of one kind only once; full urls absolute, and of the resource that they stand by."""
    faults: Faults = None
    seen: set[str] = set()
    for index, link in enumerate(value.get("link", ())):
        relation = link.get("relation")
        if relation in seen and relation in _ONCE:
            text = f"the link {relation} can be there only once"
            faults = _add(faults, holder.fault("invalid", text, f".link[{index}]"))
        seen.add(relation)
    if value.get("type") in _REQUESTS:
        return faults
    for index, entry in enumerate(value.get("entry", ())):
        url = entry.get("fullUrl")
        found = _full_url(url, entry.get("resource"), holder) if url is not None else None
        if found is not None:
            faults = _add(faults, above(found, f".entry[{index}]"))
    return faults


def _full_url(url: str, resource: Any, holder: Holder) -> Faults:
    if not _ABSOLUTE(url):
        text = f"{shown(url)} must be absolute: a url or urn:uuid"
        return holder.fault("invalid", text, ".fullUrl")
    told = _RESTFUL(url)
    if told is None or type(resource) is not dict or type(resource.get("id")) is not str:
        return None
    if (told[1], told[2]) == (resource["resourceType"], resource["id"]):
        return None
    place = f"{resource['resourceType']}/{resource['id']}"
    text = f"{shown(url)} disagrees with the resource, which is {place}"
    # A SHALL of the text, which R4's own examples break.
    return holder.fault("invalid", text, ".fullUrl", severity="warning")


def _item(value: Any, owner: dict[str, Any], holder: Holder) -> Faults:
    """Whether an item is enabled cannot depend on itself or what is in it."""
    conditions = value.get("enableWhen")
    if not conditions:
        return None
    inner = {value.get("linkId")}
    waiting = list(value.get("item", ()))
    while waiting:
        item = waiting.pop()
        inner.add(item.get("linkId"))
        waiting += item.get("item", ())
    faults: Faults = None
    for index, condition in enumerate(conditions):
        if condition.get("question") in inner:
            text = f"{shown(condition['question'])} is the item itself or in it"
            step = f".enableWhen[{index}].question"
            faults = _add(faults, holder.fault("business-rule", text, step))
    return faults


def _search_parameter(value: Any, owner: dict[str, Any], holder: Holder) -> Faults:
    if value.get("type") == "composite" and len(value.get("component", ())) < 2:
        return holder.fault("business-rule", "a composite needs two components or more")
    return None


def _add(faults: Faults, found: Faults) -> Faults:
    if faults is None or found is None:
        return found if faults is None else faults
    return faults + found


NATIVE: dict[str, Walk] = {
    "Attachment": _attachment,
    "Bundle": _bundle,
    "Questionnaire.item": _item,
    "SearchParameter": _search_parameter,
}
"""By the type, or backbone, whose objects the rule looks at."""
