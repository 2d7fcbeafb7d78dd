"""The functions that FHIR adds (http://hl7.org/fhir/R4/fhirpath.html#functions)."""

from __future__ import annotations

import re
from typing import Any

from fhir_server.fhir import definitions, narrative
from fhir_server.fhir.fhirpath.errors import ExecutionFault
from fhir_server.fhir.fhirpath.function import Function
from fhir_server.fhir.fhirpath.scope import Items, Scope, text
from fhir_server.fhir.fhirpath.shapes import Node, Shape, root, shape, walk
from fhir_server.fhir.fhirpath.values import system

_BOOLEAN = ("System.Boolean",)
_PROFILE = "http://hl7.org/fhir/StructureDefinition/"


def _extension(scope: Scope, items: Items, url: Items) -> Items:
    wanted = text(url, "extension()")
    found: Items = []
    for item in items:
        if type(item) is Node:
            here: Items = []
            walk(item, "extension", here)
            found += [each for each in here if _url(each) == wanted]
    return found


def _url(item: Any) -> Any:
    return item.value.get("url") if isinstance(item.value, dict) else None


def _has_value(scope: Scope, items: Items) -> Items:
    return [len(items) == 1 and _value(items[0]) is not None]


def _value(item: Any) -> Any:
    if type(item) is Node:
        return system(item) if item.shape.primitive else None
    return item


def _get_value(scope: Scope, items: Items) -> Items:
    value = _value(items[0]) if len(items) == 1 else None
    return [] if value is None else [value]


def reference_text(item: Any) -> str | None:
    """The reference that an item holds: of a Reference, a uri or canonical, or a string."""
    value = item.value if type(item) is Node else item
    if isinstance(value, dict):
        value = value.get("reference")
    return value if isinstance(value, str) else None


def reference_type(item: Any) -> Shape | None:
    """The type that a reference points at, as far as the reference itself tells."""
    if type(item) is Node and isinstance(item.value, dict):
        told = item.value.get("type")
        if isinstance(told, str) and shape(told).resource:
            return shape(told)
    reference = reference_text(item)
    if reference is None:
        return None
    if reference.startswith("#"):
        found = _contained(item, reference[1:])
        return found.shape if found else None
    parts = reference.split("/_history/")[0].split("/")
    if len(parts) > 1 and shape(parts[-2]).resource:
        return shape(parts[-2])
    return None


def _contained(item: Any, id_: str) -> Node | None:
    owner = item.owner if type(item) is Node else None
    return _inside(owner, id_)


def _inside(owner: Any, id_: str) -> Node | None:
    if not isinstance(owner, dict):
        return None
    if not id_:
        return root(owner)
    for each in owner.get("contained") or ():
        if isinstance(each, dict) and each.get("id") == id_:
            return Node(shape("").of(each), each, None, owner)
    return None


def _resolve(scope: Scope, items: Items) -> Items:
    found: Items = []
    for item in items:
        reference = reference_text(item)
        if reference is None:
            continue
        node = (
            _contained(item, reference[1:])
            or (_inside(scope.run.root and scope.run.root.value, reference[1:]))
            if reference.startswith("#")
            else _elsewhere(scope, reference)
        )
        if node is not None:
            found.append(node)
    return found


def _elsewhere(scope: Scope, reference: str) -> Node | None:
    run = scope.run
    for holder in (run.root, run.resource):
        if holder is not None and holder.shape.name == "Bundle":
            found = _in_bundle(holder.value, reference)
            if found is not None:
                return root(found)
    resource = run.resolver(reference) if run.resolver else None
    return root(resource) if isinstance(resource, dict) else None


def _in_bundle(bundle: dict[str, Any], reference: str) -> dict[str, Any] | None:
    plain = reference.split("/_history/")[0]
    for entry in bundle.get("entry") or ():
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if not isinstance(resource, dict):
            continue
        if entry.get("fullUrl") in (reference, plain):
            return resource
        if plain == f"{resource.get('resourceType')}/{resource.get('id')}":
            return resource
    return None


def _conforms_to(scope: Scope, items: Items, url: Items) -> Items:
    wanted = text(url, "conformsTo()")
    if not items or wanted is None:
        return []
    name = wanted.partition("|")[0].removeprefix(_PROFILE)
    if not wanted.startswith(_PROFILE) or not shape(name).known:
        raise ExecutionFault(f"the profile '{wanted}' is not known")
    return [all(type(item) is Node and name in item.shape.ancestors for item in items)]


def _member_of(scope: Scope, items: Items, url: Items) -> Items:
    wanted = text(url, "memberOf()")
    if len(items) != 1 or wanted is None:
        return []
    table = definitions.load().codings(wanted.partition("|")[0])
    if table is None:
        return []
    item = items[0]
    value = item.value if type(item) is Node else item
    if isinstance(value, str):
        return [any(value in codes for codes in table.values())]
    if not isinstance(value, dict):
        return []
    codings = value.get("coding") if "coding" in value else [value]
    return [any(c.get("code") in table.get(c.get("system") or "", ()) for c in codings or ())]


def _html_checks(scope: Scope, items: Items) -> Items:
    if len(items) != 1:
        return []
    div = str(system(items[0]))
    filled = "<img" in div or re.sub(r"<[^>]*>", "", div).strip() != ""
    return [filled and not narrative.faults(div)]


def _element_definition(scope: Scope, items: Items, *rest: Items) -> Items:
    raise ExecutionFault("elementDefinition() and slice() need profiles, which are not loaded here")


def _check_modifiers(scope: Scope, items: Items, *allowed: Items) -> Items:
    urls = {text(each, "checkModifiers()") for each in allowed}
    for item in items:
        found: Items = []
        if type(item) is Node:
            walk(item, "modifierExtension", found)
        for each in found:
            if _url(each) not in urls:
                raise ExecutionFault(f"the modifier extension '{_url(each)}' is not allowed")
    return items


TABLE: dict[str, Function] = {
    "extension": Function(_extension, 1, 1, ("Extension",)),
    "hasValue": Function(_has_value, returns=_BOOLEAN),
    "getValue": Function(_get_value),
    "resolve": Function(_resolve),
    "conformsTo": Function(_conforms_to, 1, 1, _BOOLEAN),
    "memberOf": Function(_member_of, 1, 1, _BOOLEAN),
    "htmlChecks": Function(_html_checks, returns=_BOOLEAN),
    "checkModifiers": Function(_check_modifiers, 0, 99),
    "elementDefinition": Function(_element_definition),
    "slice": Function(_element_definition, 2, 2),
}
