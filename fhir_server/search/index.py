"""From a resource to its search keys, all parameters of its type in one walk."""

from __future__ import annotations

from datetime import UTC, tzinfo
from functools import lru_cache
from typing import Any

from fhir_server.fhir import fhirpath
from fhir_server.fhir.definitions import Definitions
from fhir_server.fhir.elements import NONE, Elements
from fhir_server.search.collector import VALUE, Collector
from fhir_server.search.compartments import Compartments
from fhir_server.search.custom import value_types
from fhir_server.search.entries import NOTED, PATIENT, of_records
from fhir_server.search.extraction import Walk
from fhir_server.search.keys import Contained, Keys, Range
from fhir_server.search.kinds.special import Id, LastUpdated, Unsupported
from fhir_server.search.registry import Parameter, Registry
from fhir_server.search.shares import UNREADABLE, Shares, unindexable
from fhir_server.search.words import kept

TOGETHER = 2_048
"""Sums of what elements have that are kept: those used last."""

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
        self.wide = [one for one in plain if _looks_out(one)]
        self.shares = Shares(definitions, type_, [one for one in plain if one not in self.wide])
        slots = {slot: parameter.paths or () for slot, parameter in enumerate(self.wide)}
        self.walk = Walk(definitions, type_, type_, slots)
        self.odd = [
            (parameter, fhirpath.compile(" | ".join(parameter.terms)))
            for parameter in indexed
            if parameter.paths is None
        ]
        self.type = type_
        self.patient = next(
            (one.code for one in indexed if one.code == "patient"),
            "subject",
        )


def _looks_out(parameter: Parameter) -> bool:
    """Whether what it finds in an element depends on the rest of the resource.

    So do all the keys of a composite by the name of a parameter whose keys the index has otherwise.
    """
    if parameter.components and parameter.code in NOTED:
        return True
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
        self._together = lru_cache(maxsize=TOGETHER)(self._sum)

    def __call__(self, resource: dict[str, Any], elements: Elements = NONE) -> Keys:
        type_ = resource["resourceType"]
        plan = self._plans.get(type_)
        if plan is None:
            plan = self._plans[type_] = _Plan(self._definitions, self._registry, type_)
        out = self._begin(plan, resource, elements)
        if out.parts:
            plan.shares.join(out)
        if plan.wide or plan.odd:
            out.add(self._whole(plan, resource))
        id_ = resource.get("id")
        if id_ and type_ in self._compartments.own:
            own = self._collector(resource)
            own.keys[f"in={type_}/{id_}"] = None
            out.add(self._settled(plan, own))
        contained = self._contained(resource) if "contained" in resource else ()
        for one in contained:
            out.keys[f"#{one.type}"] = None
        out.ranges = _each_once(out.ranges)
        out.check()
        start, end = out.clinical_date or (None, None)
        patient = id_ if type_ == "Patient" else _single(out.patients)
        narrative, texts = kept(out.narrative, out.texts)
        keys = ["*", *out.keys]
        entries = keys + of_records(type_, patient, out.records, out.scoped)
        keys += out.hidden
        return Keys(
            patient,
            start,
            end,
            keys,
            out.ranges,
            tuple(out.seen),
            narrative,
            texts,
            contained,
            entries,
        )

    def _begin(self, plan: _Plan, resource: dict[str, Any], elements: Elements) -> Collector:
        """What the elements have; known from before where the very same one was there."""
        shares, new = plan.shares, []
        known: tuple[list[Collector], ...] = [], [], []
        get = elements.get
        for name, value in resource.items():
            element = get(name)
            if element is not None and element.value is value:
                finder, share = element.found
                if finder is self and share is not None:
                    known[share.says].append(share)
                    continue
                if element.alone:
                    # What says whose record it is, or has few values, comes again soon. Other
                    # values mostly never do: they are kept from the second time on.
                    if finder is self or name in shares.noted:
                        # What is alone looks at nothing around it, so it needs no resource.
                        share = self._share(plan, name, value, {})
                        element.found = self, share
                        known[share.says].append(share)
                        continue
                    element.found = self._met
            new.append((name, value))
        out = self._collector(resource)
        for some in known[:VALUE]:
            if some:
                out.add(self._together(tuple(some)))
        for share in known[VALUE]:
            out.add(share)
        for name, value in new:
            if name in shares.noted:
                out.add(self._share(plan, name, value, resource))
            elif name not in shares.mute:
                shares.look(name, value, out)
        return out

    def _share(self, plan: _Plan, name: str, value: Any, resource: dict[str, Any]) -> Collector:
        """What one element has by itself."""
        out = self._collector(resource)
        plan.shares.look(name, value, out)
        return self._settled(plan, out)

    def _sum(self, shares: tuple[Collector, ...]) -> Collector:
        """What elements have together; kept, as they come in the same company again."""
        out = self._collector({})
        for share in shares:
            out.add(share)
        return out

    def _collector(self, resource: dict[str, Any]) -> Collector:
        return Collector(resource, self._base_url, self._zone)

    def _settled(self, plan: _Plan, out: Collector) -> Collector:
        """The same, when it tells by the references whose record it is, and what the index has."""
        if out.references:
            out.keys |= self._compartments.keys(plan.type, out.references)
            out.patients = {
                reference[len(PATIENT) :]: None
                for code, reference in out.references
                if code == plan.patient and reference.startswith(PATIENT)
            }
        out.settle(plan.type)
        return out

    def _whole(self, plan: _Plan, resource: dict[str, Any]) -> Collector:
        """What parameters find that look at the resource as a whole."""
        out = self._collector(resource)
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
        return self._settled(plan, out)

    def _contained(self, resource: dict[str, Any]) -> tuple[Contained, ...]:
        return tuple(
            Contained(one["resourceType"], one.get("id", ""), self(one))
            for one in resource["contained"]
        )

    def _read(self, parameter: Parameter) -> frozenset[str]:
        return value_types(self._definitions)[parameter.type]


def _single(patients: dict[str, None]) -> str | None:
    """The id of the one patient whose record it is; None where there is none or several."""
    return next(iter(patients)) if len(patients) == 1 else None


def _each_once(ranges: list[Range]) -> list[Range]:
    """Rows of different keys need not be compared as a whole, which takes much longer."""
    if len({row[0] for row in ranges}) == len(ranges):
        return ranges
    return list(dict.fromkeys(ranges))
