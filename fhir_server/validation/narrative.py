"""Check of a narrative's XHTML: well-formed, and only what txt-1 and txt-2 allow.

https://hl7.org/fhir/R4/narrative.html#xhtml
"""

from __future__ import annotations

import re
from typing import Any

from fhir_server.fhir import narrative
from fhir_server.validation.faults import Faults, State, json_type

__all__ = ["check_xhtml"]

_NAMED = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#[0-9]+|#x[0-9A-Fa-f]+);)[A-Za-z]*;?").search
_CONTENT = re.compile(r">[^<]*[^<\s]|<img\s[^>]*src").search
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


def check_xhtml(value: Any, owner: dict[str, Any], state: State) -> Faults:
    """Faults of `Narrative.div`."""
    if type(value) is not str:
        return state.fault("structure", f"must be a string with a <div>, not {json_type(value)}")
    named = _NAMED(value)
    if named:
        text = f"'{named[0]}' is no character of XML: write it itself, or as &#160; and the like"
        return state.fault("structure", text)
    found = narrative.faults(value)
    if found:
        text = f"only plain formatting is allowed (txt-1): {'; '.join(found[:10])}"
        return state.fault("invariant", text)
    if not _CONTENT(_COMMENT.sub("", value) if "<!--" in value else value):
        return state.soft("invariant", "narrative must have some text or an image (txt-2)")
    return None
