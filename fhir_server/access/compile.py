"""From a caller to the Grant: scopes narrowed to what this person may have at all.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html. Whatever cannot be compiled
grants nothing. Several scopes are alternatives; the conditions of one granular scope must all hold.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from fhir_server.access.grant import Action, Condition, Filter, Grant, Rule
from fhir_server.access.principal import Principal
from fhir_server.access.scopes import EVERY_TYPE, Level, Scope, Scopes
from fhir_server.errors import FhirError
from fhir_server.search.criteria import split_values
from fhir_server.search.kinds import MatchContext
from fhir_server.search.registry import Registry

POLICY = "scopes"

SHARED = frozenset(
    (
        *("Endpoint", "HealthcareService", "Location", "Medication", "MedicationKnowledge"),
        *("Organization", "OrganizationAffiliation", "Practitioner", "PractitionerRole"),
        *("Questionnaire", "CodeSystem", "ValueSet", "StructureDefinition", "Substance"),
    )
)
"""Types that are nobody's record: scopes of a patient read them whole, and never write them."""

_READING = frozenset((Action.READ, Action.SEARCH))
_COMMON = frozenset(("_id", "_lastUpdated", "_profile", "_security", "_source", "_tag"))
"""The parameters of all types that a granular scope may have: those that keys alone answer."""

_RELATIVE = "ap"


def compile_grant(principal: Principal, registry: Registry, base_url: str) -> Grant:
    """What the caller may do: the union of its scopes, each within the rights of its level.

    `patient/` reaches the compartment of the patient in context and what is shared; `user/` what
    the person may see: everything for practitioners, their own record for patients, that of the
    patient in context for who represents them; `system/` everything, for backend services alone.
    Administrators reach nothing.
    """
    rules: list[Rule] = []
    for scope in principal.scopes.resources:
        rules += _rules(scope, principal, registry, base_url)
    if "fhirUser" in principal.scopes and principal.fhir_user and principal.kind != "admin":
        rules.append(_identity(principal.fhir_user))
    reason = f"{principal.client_id} acts for {principal.subject}: {principal.scopes}"
    return Grant(POLICY, reason, tuple(dict.fromkeys(rules)))


def understood(scopes: Scopes, registry: Registry, base_url: str) -> Scopes:
    """The scopes, with those that ask for what no search of the type can among the unknown."""
    good: list[Scope] = []
    bad: list[str] = list(scopes.unknown)
    for scope in scopes.resources:
        if scope.parameters and conditions(scope, registry, base_url) is None:
            bad.append(scope.text)
        else:
            good.append(scope)
    return replace(scopes, resources=tuple(good), unknown=tuple(bad))


def conditions(scope: Scope, registry: Registry, base_url: str) -> tuple[Condition, ...] | None:
    """What the parameters of a granular scope come to; None where one is not understood."""
    context = MatchContext(scope.type, registry, base_url, 0)
    found: list[Condition] = []
    for name, value in scope.parameters:
        filter_ = _filter(name, value, context)
        if not filter_:
            return None
        found.append(Condition(filter_))
    return tuple(found)


def _filter(name: str, value: str, context: MatchContext) -> Filter | None:
    parameter = context.registry.find(context.type, name)
    if parameter is None or parameter.type == "special":
        return None
    if name.startswith("_") and name not in _COMMON:
        return None
    values = split_values(value)
    if not values or (parameter.type == "date" and any(v.startswith(_RELATIVE) for v in values)):
        return None  # a right that changes with the hour is none
    try:
        return parameter.kind.match(parameter, "", values, context)
    except FhirError:
        return None


def _rules(scope: Scope, principal: Principal, registry: Registry, base_url: str) -> Iterable[Rule]:
    compartments = _compartments(scope.level, principal)
    if compartments is not None and not compartments:
        return
    demanded = conditions(scope, registry, base_url) if scope.parameters else ()
    if demanded is None:
        return
    types = None if scope.type == EVERY_TYPE else frozenset((scope.type,))
    if compartments is None:
        yield Rule(scope.actions, types, (), demanded)
        return
    reading, writing = scope.actions & _READING, scope.actions - _READING
    if reading:
        yield Rule(reading, types, (compartments,), demanded)
    if writing:
        yield Rule(writing, types, (compartments,), (*demanded, _alone(compartments)))
    shared = SHARED if types is None else types & SHARED
    if reading and shared:
        yield Rule(reading, shared, (), demanded)


def _alone(compartments: frozenset[str]) -> Condition:
    """In no other patient's compartment: nobody writes into a record that is not theirs."""
    others = {"$gte": "in=Patient/", "$lt": "in=Patient0", "$nin": sorted(compartments)}
    return Condition({"$nor": [{"k": {"$elemMatch": others}}]})


def _compartments(level: Level, principal: Principal) -> frozenset[str] | None:
    """The compartments that a level reaches; None where it reaches everything."""
    kind = principal.kind
    if kind == "admin":
        return frozenset()
    if level == "system":
        return None if kind == "system" else frozenset()
    if level == "user" and kind == "practitioner":
        return None
    patients = {principal.patient} if kind != "system" or level == "patient" else set()
    if level == "user" and kind == "patient" and principal.fhir_user:
        patients.add(principal.fhir_user.partition("/")[2])
    return frozenset(f"in=Patient/{patient}" for patient in patients if patient)


def _identity(reference: str) -> Rule:
    """A person may read the resource that they are."""
    type_, _, id_ = reference.partition("/")
    return Rule(frozenset((Action.READ,)), frozenset((type_,)), (), (Condition({"_id": id_}),))
