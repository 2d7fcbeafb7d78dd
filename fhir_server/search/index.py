"""From a resource to its search keys, all parameters of its type in one walk."""

from __future__ import annotations

from datetime import UTC, tzinfo
from typing import Any

from fhir_server.errors import Unprocessable
from fhir_server.fhir import fhirpath
from fhir_server.fhir.definitions import Definitions
from fhir_server.search.collector import Collector
from fhir_server.search.compartments import Compartments
from fhir_server.search.custom import value_types
from fhir_server.search.extraction import Walk
from fhir_server.search.keys import Contained, Keys
from fhir_server.search.kinds import Node
from fhir_server.search.kinds.special import Id, LastUpdated, Unsupported
from fhir_server.search.registry import Parameter, Registry
from fhir_server.search.words import text_names, words_of

_ELSEWHERE = (Id, LastUpdated, Unsupported)


class _Plan:
    """How one type is indexed: the walk for plain paths, and what needs the FHIRPath engine."""

    def __init__(self, definitions: Definitions, registry: Registry, type_: str) -> None:
        indexed = [
            parameter
            for parameter in registry.all(type_)
            if parameter.stored == (parameter.code,)
            and parameter.terms
            and not isinstance(parameter.kind, _ELSEWHERE)
        ]
        self.plain = [parameter for parameter in indexed if parameter.paths is not None]
        self.odd = [
            (parameter, fhirpath.compile(" | ".join(parameter.terms)))
            for parameter in indexed
            if parameter.paths is None
        ]
        slots = {slot: parameter.paths or () for slot, parameter in enumerate(self.plain)}
        self.walk = Walk(definitions, type_, type_, slots)
        self.patient = next(
            (one.code for one in indexed if one.code == "patient"),
            "subject",
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

    def __call__(self, resource: dict[str, Any]) -> Keys:
        type_ = resource["resourceType"]
        plan = self._plans.get(type_)
        if plan is None:
            plan = self._plans[type_] = _Plan(self._definitions, self._registry, type_)
        out = Collector(resource, self._base_url, self._zone)
        found = zip(plan.plain, plan.walk.find(resource, resource), strict=True)
        parameter = None
        try:
            for parameter, nodes in found:
                if nodes is not None:
                    parameter.kind.index(parameter, nodes, out)
            for parameter, compiled in plan.odd:
                nodes = [Node(name, value) for name, value, _ in compiled.nodes(resource)]
                if parameter.added:  # nobody knows beforehand where its expression leads
                    nodes = [one for one in nodes if one.type in self._read(parameter)]
                if nodes:
                    parameter.kind.index(parameter, nodes, out)
        except (ValueError, ArithmeticError, TypeError, KeyError, AttributeError) as error:
            raise _unindexable(parameter, error) from error
        id_ = resource.get("id")
        for key in self._compartments.keys(type_, id_, out.references):
            out.keys[key] = None
        out.check()
        start, end = out.clinical_date or (None, None)
        patient = _patient(plan, type_, id_, out)
        contained = self._contained(resource) if "contained" in resource else ()
        for one in contained:
            out.keys[f"#{one.type}"] = None
        told, texts = words_of(resource, text_names(self._definitions))
        return Keys(
            patient,
            start,
            end,
            list(out.keys),
            list(out.ranges),
            tuple(out.seen),
            told,
            texts,
            contained,
        )

    def _contained(self, resource: dict[str, Any]) -> tuple[Contained, ...]:
        return tuple(
            Contained(one["resourceType"], one.get("id", ""), self(one))
            for one in resource["contained"]
        )

    def _read(self, parameter: Parameter) -> frozenset[str]:
        return value_types(self._definitions)[parameter.type]


def _unindexable(parameter: Parameter | None, error: Exception) -> Unprocessable:
    """The error for a value that a parameter cannot read, with the parameter's paths."""
    code, places = (parameter.code, parameter.terms) if parameter else ("", ())
    return Unprocessable(
        f"A value cannot be indexed for the search parameter {code}: {error}", expression=places
    )


def _patient(plan: _Plan, type_: str, id_: str | None, out: Collector) -> str | None:
    """The id of the one patient whose record this is; None where there is none or several."""
    if type_ == "Patient":
        return id_
    ids = {
        reference[len("Patient/") :]
        for reference in out.references.get(plan.patient, ())
        if reference.startswith("Patient/")
    }
    return ids.pop() if len(ids) == 1 else None
