"""An element of a differential laid on the one that it is about.

https://hl7.org/fhir/R4/elementdefinition.html#interpretation
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
Find = Callable[[str], "Json | None"]

_ADDED = ("constraint", "condition", "example", "alias", "mapping", "extension", "code")
_ALWAYS_OWN = ("id", "path", "base", "sliceName")
_OF_EXTENSIONS = ("short", "definition", "comment", "isModifier", "isModifierReason")


def merge(base: Json, own: Json, url: str, find: Find) -> Json:
    """What `own`, of the differential of the definition `url`, makes of the element `base`."""
    merged = dict(base)
    for name, value in own.items():
        if name in _ALWAYS_OWN:
            continue
        if name in _ADDED and name in merged:
            merged[name] = _joined(name, merged[name], value)
        elif isinstance(value, str) and value.startswith("...") and name in merged:
            merged[name] = f"{merged[name]}{value[3:]}"
        else:
            merged[name] = value
    if "constraint" in own:
        merged["constraint"] = [
            one if "source" in one or one not in own["constraint"] else {**one, "source": url}
            for one in merged["constraint"]
        ]
    if any(name.startswith(("fixed", "pattern")) for name in own):
        replaced = next(name for name in own if name.startswith(("fixed", "pattern")))
        for name in [n for n in base if n.startswith(replaced[:5]) and n != replaced]:
            merged.pop(name, None)
    if "type" in own and merged["path"].endswith(("xtension",)):
        _describe(merged, own, find)
    return merged


def _describe(merged: Json, own: Json, find: Find) -> None:
    """What an extension's own definition says of it, where the slice says nothing."""
    for type_ in own["type"]:
        for url in type_.get("profile", ()):
            definition = find(url)
            root = (definition or {}).get("snapshot", definition or {}).get("element") or (
                (definition or {}).get("differential", {}).get("element")
            )
            for name in _OF_EXTENSIONS if root else ():
                if name in root[0] and name not in own:
                    merged[name] = root[0][name]


def _joined(name: str, base: list[Any], own: list[Any]) -> list[Any]:
    if name == "constraint":
        keys = {one.get("key") for one in own}
        return [one for one in base if one.get("key") not in keys] + own
    return base + [one for one in own if one not in base]
