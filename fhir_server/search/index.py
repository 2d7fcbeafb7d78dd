"""From a resource to its search keys, all parameters of its type in one walk."""

from __future__ import annotations

from datetime import UTC, tzinfo
from typing import Any

from fhir_server.fhir import fhirpath
from fhir_server.fhir.definitions import Definitions
from fhir_server.fhir.elements import NONE, Elements
from fhir_server.search.collector import Collector
from fhir_server.search.compartments import Compartments
from fhir_server.search.custom import value_types
from fhir_server.search.extraction import Walk
from fhir_server.search.keys import Contained, Keys
from fhir_server.search.kinds.special import Id, LastUpdated, Unsupported
from fhir_server.search.registry import Parameter, Registry
from fhir_server.search.shares import UNREADABLE, Shares, unindexable
from fhir_server.search.words import kept

_ELSEWHERE = (Id, LastUpdated, Unsupported)


class _Plan:
    """How one type is indexed: element by element, with what needs to see all of the resource."""

    def __init__(self, definitions: Definitions, registry: Registry, type_: str) -> None:
        indexed = [
            parameter
            for parameter in registry.all(type_)
            if parameter.stored == (parameter.code,)
            and parameter.terms
            and not isinstance(parameter.kind, _ELSEWHERE)
        ]
        plain = [parameter for parameter in indexed if parameter.paths is not None]
        self.wide = [parameter for parameter in plain if _looks_out(parameter)]
        self.shares = Shares(definitions, type_, [one for one in plain if one not in self.wide])
        slots = {slot: parameter.paths or () for slot, parameter in enumerate(self.wide)}
        self.walk = Walk(definitions, type_, type_, slots)
        self.odd = [
            (parameter, fhirpath.compile(" | ".join(parameter.terms)))
            for parameter in indexed
            if parameter.paths is None
        ]
        self.patient = next(
            (one.code for one in indexed if one.code == "patient"),
            "subject",
        )


def _looks_out(parameter: Parameter) -> bool:
    """Whether what it finds in an element depends on the rest of the resource."""
    return any(path and path[0].kind == "root" for path in parameter.paths or ()) or any(
        walk.outward for component in parameter.components for walk in component.walks.values()
    )


class Indexer:
    """Called with a resource that has passed structural validation, it gives its keys.

    `base_url` is the server's own, without a slash at its end: references below it are kept as
    relative ones. Dates without a zone are read in `zone`. The resource's `id` must be set for
    the key of its own compartment. Raises Unprocessable for a value that cannot be indexed, with
    the parameter that it belongs to.
    """

    def __init__(
        self,
        definitions: Definitions,
        registry: Registry,
        base_url: str,
        zone: tzinfo = UTC,
    ) -> None:
        self._definitions = definitions
        self._registry = registry
        self._base_url = base_url
        self._zone = zone
        self._compartments = Compartments(definitions)
        self._plans: dict[str, _Plan] = {}
        self._met = (self, None)
        """What hangs on an element that was here once."""

    def __call__(self, resource: dict[str, Any], elements: Elements = NONE) -> Keys:
        type_ = resource["resourceType"]
        plan = self._plans.get(type_)
        if plan is None:
            plan = self._plans[type_] = _Plan(self._definitions, self._registry, type_)
        out = Collector(resource, self._base_url, self._zone)
        out.keys["*"] = None
        self._elements(plan.shares, resource, elements, out)
        if out.parts:
            plan.shares.join(out)
        if plan.wide or plan.odd:
            self._whole(plan, resource, out)
        id_ = resource.get("id")
        out.keys.update(self._compartments.keys(type_, id_, out.references))
        out.check()
        start, end = out.clinical_date or (None, None)
        patient = _patient(plan, type_, id_, out)
        contained = self._contained(resource) if "contained" in resource else ()
        for one in contained:
            out.keys[f"#{one.type}"] = None
        return Keys(
            patient,
            start,
            end,
            list(out.keys),
            list(out.ranges),
            tuple(out.seen),
            *kept(out.narrative, out.texts),
            contained,
        )

    def _elements(
        self, shares: Shares, resource: dict[str, Any], elements: Elements, out: Collector
    ) -> None:
        """Add what the elements have; known from before where the very same one was there."""
        mute, known = shares.mute, []
        for name, value in resource.items():
            if name in mute:
                continue
            element = elements.get(name)
            if element is None or element.value is not value or not element.alone:
                shares.look(name, value, out)
                continue
            finder, share = element.found
            if finder is not self:
                # Kept from the second time on: most never come again.
                shares.look(name, value, out)
                element.found = self._met
                continue
            if share is None:
                # What is alone looks at nothing around it, so it needs no resource.
                share = Collector({}, self._base_url, self._zone)
                shares.look(name, value, share)
                element.found = self, share
            known.append(share)
        out.add(known)

    def _whole(self, plan: _Plan, resource: dict[str, Any], out: Collector) -> None:
        """Add what parameters find that look at the resource as a whole."""
        parameter = None
        try:
            for slot, nodes in plan.walk.find(resource, resource).items():
                parameter = plan.wide[slot]
                parameter.kind.index(parameter, nodes, out)
            for parameter, compiled in plan.odd:
                nodes = [(name, value) for name, value, _ in compiled.nodes(resource)]
                if parameter.added:  # nobody knows beforehand where its expression leads
                    nodes = [one for one in nodes if one[0] in self._read(parameter)]
                if nodes:
                    parameter.kind.index(parameter, nodes, out)
        except UNREADABLE as error:
            raise unindexable(parameter, error) from error

    def _contained(self, resource: dict[str, Any]) -> tuple[Contained, ...]:
        return tuple(
            Contained(one["resourceType"], one.get("id", ""), self(one))
            for one in resource["contained"]
        )

    def _read(self, parameter: Parameter) -> frozenset[str]:
        return value_types(self._definitions)[parameter.type]


def _patient(plan: _Plan, type_: str, id_: str | None, out: Collector) -> str | None:
    """The id of the one patient whose record this is; None where there is none or several."""
    if type_ == "Patient":
        return id_
    ids = {
        reference[len("Patient/") :]
        for code, reference in out.references
        if code == plan.patient and reference.startswith("Patient/")
    }
    return ids.pop() if len(ids) == 1 else None
