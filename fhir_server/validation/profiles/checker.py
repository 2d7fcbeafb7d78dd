"""Resources against the profiles that they claim, that are asked for, and that a store demands.

https://hl7.org/fhir/R4/resource.html#Meta.profile
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fhir_server.errors import Issue
from fhir_server.validation.faults import Faults, above, issues, shown
from fhir_server.validation.profiles.compiler import Compiler
from fhir_server.validation.profiles.items import Item
from fhir_server.validation.profiles.library import CORE
from fhir_server.validation.profiles.run import Run

__all__ = ["Checker"]

Json = dict[str, Any]


class Checker:
    """Checks resources whose structure is right.

    `unknown` is the severity of a claim to a profile that is not known; `demanded` has profiles
    by type of which every resource of that type must conform to one at least.
    """

    def __init__(
        self, compiler: Compiler, unknown: str, demanded: Mapping[str, Sequence[str]]
    ) -> None:
        self.compiler = compiler
        self._unknown = unknown
        self._demanded = demanded
        self._always = frozenset(demanded) | {"Bundle"}
        """Types of which there is something to check whatever a resource claims."""

    def check(
        self, resource: Json, profiles: Sequence[str] = (), quiet: bool = False
    ) -> list[Issue]:
        """Faults in the order of the resources; warnings too, unless `quiet`.

        `profiles` are asked of the resource itself, whatever it claims.
        """
        type_: str = resource["resourceType"]
        if quiet and not profiles and "contained" not in resource and type_ not in self._always:
            meta = resource.get("meta")
            if meta is None or "profile" not in meta:
                return []
        run = Run(resource)
        run.quiet = quiet
        found = issues(lambda: self._resource(resource, profiles, run), run, type_)
        return list(dict.fromkeys(found))

    def _resource(self, resource: Json, asked: Sequence[str], run: Run) -> Faults:
        faults: Faults = None
        if not run.quiet:
            faults = self._advice(resource, run)
        for url in dict.fromkeys(asked):
            faults = _add(faults, self._conformance(resource, url, "error", "", run))
        meta = resource.get("meta")
        claimed = meta.get("profile", ()) if meta is not None else ()
        for index, url in enumerate(claimed):
            if type(url) is str and url not in asked:
                place = f".meta.profile[{index}]"
                found = self._conformance(resource, url, self._unknown, place, run)
                faults = _add(faults, found)
        demanded = self._demanded.get(resource["resourceType"])
        if demanded:
            faults = _add(faults, self._demand(resource, demanded, run))
        for index, inner in enumerate(resource.get("contained", ())):
            outer, run.resource = run.resource, inner
            found = self._resource(inner, (), run)
            run.resource = outer
            if found is not None:
                faults = _add(faults, above(found, f".contained[{index}]"))
        if resource["resourceType"] == "Bundle":
            faults = _add(faults, self._entries(resource, run))
        return faults

    def _advice(self, resource: Json, run: Run) -> Faults:
        """What R4's own definition of the type advises: its extensible bindings."""
        type_ = resource["resourceType"]
        profile = self.compiler.profile(f"{CORE}{type_}")
        return None if profile is None else profile.test(Item(type_, resource, None, ""), run)

    def _entries(self, bundle: Json, run: Run) -> Faults:
        faults: Faults = None
        for index, entry in enumerate(bundle.get("entry", ())):
            inner = entry.get("resource")
            if inner is None:
                continue
            outer = run.resource, run.container
            run.resource = run.container = inner
            found = self._resource(inner, (), run)
            run.resource, run.container = outer
            if found is not None:
                faults = _add(faults, above(found, f".entry[{index}].resource"))
        return faults

    def _conformance(self, resource: Json, url: str, unknown: str, place: str, run: Run) -> Faults:
        type_ = resource["resourceType"]
        if url == f"{CORE}{type_}":
            return None
        profile = self.compiler.profile(url)
        if profile is None and run.quiet and unknown != "error":
            return None
        if profile is None:
            why = self.compiler.faulty.get(url)
            text = (
                f"the profile {shown(url)} cannot be used: {why}"
                if why
                else f"the profile {shown(url)} is not known here, so it was not checked: "
                "load the package that has it"
            )
            return run.fault("not-found", text, place, severity=unknown)
        if not self.compiler.definitions.is_a(type_, profile.type):
            text = f"{url} is a profile of {profile.type}, not of {type_}"
            return run.fault("structure", text, place)
        return profile.test(Item(type_, resource, None, ""), run)

    def _demand(self, resource: Json, demanded: Sequence[str], run: Run) -> Faults:
        """Nothing where one of the profiles is met; else the faults against the first one."""
        item = Item(resource["resourceType"], resource, None, "")
        if any(self.compiler.conforms(item, url, run) for url in demanded):
            return None
        told = ", ".join(demanded)
        text = f"this server stores no {item.code} that does not conform to one of {told}"
        faults = run.fault("business-rule", text)
        return _add(faults, self._conformance(resource, demanded[0], "error", "", run))


def _add(faults: Faults, found: Faults) -> Faults:
    if faults is None or found is None:
        return found if faults is None else faults
    return faults + found
