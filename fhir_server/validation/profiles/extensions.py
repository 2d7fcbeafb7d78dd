"""Extensions against their own definitions: where they may stand and what they hold.

https://hl7.org/fhir/R4/extensibility.html, https://hl7.org/fhir/R4/defining-extensions.html#context
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from fhir_server.fhir import fhirpath
from fhir_server.fhir.definitions import Definitions
from fhir_server.fhir.fhirpath import FhirPathError, Node
from fhir_server.validation.faults import Faults, above, shown
from fhir_server.validation.profiles.compiler import Compiler
from fhir_server.validation.profiles.items import Item
from fhir_server.validation.profiles.library import CORE
from fhir_server.validation.profiles.run import Run
from fhir_server.validation.profiles.tree import Branch
from fhir_server.validation.rule import Holder

__all__ = ["Extensions"]

BESIDE = {
    f"{CORE}regex": ("ElementDefinition.type",),
    f"{CORE}structuredefinition-fhir-type": ("ElementDefinition.type",),
    f"{CORE}structuredefinition-normative-version": ("DomainResource",),
    f"{CORE}valueset-concept-comments": ("CodeSystem.concept",),
}
"""Contexts that R4's own resources use and the extension's definition does not name."""

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:").match


MOST_KNOWN = 5_000
"""URLs whose definitions are remembered, those too that are not known."""


class _Known(NamedTuple):
    """What a definition says beside its elements."""

    contexts: tuple[dict[str, Any], ...]
    modifier: bool


class Extensions:
    """Looks at the extensions of objects. Safe to share."""

    def __init__(self, definitions: Definitions, compiler: Compiler) -> None:
        self._definitions = definitions
        self._compiler = compiler
        self._known: dict[str, _Known | None] = {}
        self._seen = compiler.library.changes

    def __call__(self, name: str, value: dict[str, Any], holder: Holder) -> Faults:
        """Faults of the extensions of an object of the type `name`; places are below it.

        A definition that is not known is a warning: whoever needs it may have it.
        """
        faults: Faults = None
        place = holder.place
        for property_ in ("extension", "modifierExtension"):
            for index, extension in enumerate(value.get(property_, ())):
                found = self._one(name, value, extension, property_, place, holder)
                if found is not None:
                    found = above(found, f".{property_}[{index}]")
                    faults = found if faults is None else faults + found
        return faults

    def _find(self, url: str) -> _Known | None:
        """The definition of an extension; None where it is not known."""
        library = self._compiler.library
        if self._seen != library.changes or len(self._known) > MOST_KNOWN:
            self._seen = library.changes
            self._known.clear()
        if url not in self._known:
            found = library.find(url)
            if found is None or found.get("type") != "Extension":
                self._known[url] = None
            else:
                view = found.get("snapshot") or found.get("differential") or {}
                elements = view.get("element")
                modifier = bool(elements and elements[0].get("isModifier"))
                self._known[url] = _Known(tuple(found.get("context", ())), modifier)
        return self._known[url]

    def _one(
        self,
        name: str,
        owner: dict[str, Any],
        extension: dict[str, Any],
        property_: str,
        place: str,
        holder: Holder,
    ) -> Faults:
        url = extension.get("url")
        if type(url) is not str:
            return None
        if not _ABSOLUTE(url):
            if name == "Extension":
                return None  # a part, which the definition of the whole is about
            text = f"{shown(url)} must be absolute: it names the extension's definition"
            return holder.fault("value", text, ".url")
        known = self._find(url)
        if known is None:
            parent = owner.get("url") if name == "Extension" else None
            if type(parent) is str and self._find(parent) is not None:
                return None  # a part that has an absolute name
            word = "modifier extension" if property_ == "modifierExtension" else "extension"
            text = f"the {word} {shown(url)} is not known here, so it was not checked"
            return holder.fault("informational", text, severity="warning")
        faults = self._parts(url, extension, holder)
        contexts = known.contexts
        if (
            contexts
            and not any(self._definitions.is_a(name, one) for one in BESIDE.get(url, ()))
            and not any(self._stands(one, name, owner, place, holder) for one in contexts)
        ):
            where = ", ".join(str(one.get("expression")) for one in contexts)
            text = f"{url} is not allowed here: it belongs to {where}"
            faults = _add(faults, holder.fault("structure", text))
        profile = self._compiler.profile(url)
        if profile is not None:
            run = Run(holder.container)
            run.resource, run.quiet, run.left = holder.resource, holder.quiet, holder.left
            run.bundle = holder.outermost if _is_bundle(holder.outermost) else None
            faults = _add(faults, profile.test(Item("Extension", extension, None, ""), run))
        if known.modifier == (property_ == "modifierExtension"):
            return faults
        text = (
            f"{url} changes the meaning: give it as modifierExtension"
            if known.modifier
            else f"{url} is no modifier: give it as extension"
        )
        return _add(faults, holder.fault("structure", text))

    def _parts(self, url: str, extension: dict[str, Any], holder: Holder) -> Faults:
        """The parts must be ones that the definition has, where their names are its own."""
        parts = extension.get("extension")
        tree = self._compiler.tree(url) if parts else None
        if tree is None or "extension" not in tree.children:
            return None
        known = {_fixed_url(one) or one.slice for one in tree.children["extension"].slices}
        faults: Faults = None
        for index, part in enumerate(parts or ()):
            name = part.get("url")
            if type(name) is str and not _ABSOLUTE(name) and name not in known:
                may = ", ".join(sorted(known)) or "none"
                text = f"{url} has no part {shown(name)}; its parts are: {may}"
                faults = _add(faults, holder.fault("structure", text, f".extension[{index}]"))
        return faults

    def _stands(
        self,
        context: dict[str, Any],
        name: str,
        owner: dict[str, Any],
        place: str,
        holder: Holder,
    ) -> bool:
        """Whether the object is one that the context is about."""
        kind, expression = context.get("type"), context.get("expression")
        if type(expression) is not str:
            return True
        if kind == "extension":
            return name == "Extension" and owner.get("url") == expression.partition("#")[0]
        if kind == "fhirpath":
            return _is_selected(expression, owner, holder)
        expression = expression.partition("#")[2] or expression
        plain = expression.replace("[x]", "")
        if plain in (name, place.replace("[x]", ""), "Element", "Any"):
            return True
        if self._definitions.is_a(name, plain):
            return True
        # `Observation.value[x]` may be spelled with the type: `Observation.valueQuantity`.
        stem = place.removesuffix("[x]")
        return place != stem and expression == f"{stem}{name[:1].upper()}{name[1:]}"


def _fixed_url(branch: Branch) -> str | None:
    child = branch.children.get("url")
    given = child.given if child is not None else None
    return given[1] if given is not None else None


def _add(faults: Faults, found: Faults) -> Faults:
    if faults is None or found is None:
        return found if faults is None else faults
    return faults + found


def _is_bundle(resource: dict[str, Any]) -> bool:
    return resource.get("resourceType") == "Bundle"


def _is_selected(expression: str, owner: dict[str, Any], holder: Holder) -> bool:
    try:
        found = fhirpath.compile(expression).items(holder.resource)
    except FhirPathError:
        return True
    return any(type(i) is Node and (i.value is owner or i.extra is owner) for i in found)
