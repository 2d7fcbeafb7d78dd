"""Two records: `a` is the attacker's own, `b` somebody else's. `SECRET` stands in b's alone."""

from __future__ import annotations

from typing import Any

from tests.callers import observation

SECRET = "topsecret"

RESOURCES: list[dict[str, Any]] = [
    {"resourceType": "Organization", "id": "g", "name": "Group"},
    {
        "resourceType": "Patient",
        "id": "a",
        "name": [{"family": "Attacker"}],
        "managingOrganization": {"reference": "Organization/g"},
    },
    {
        "resourceType": "Patient",
        "id": "b",
        "name": [{"family": SECRET}],
        "birthDate": "1950-05-05",
        "managingOrganization": {"reference": "Organization/g"},
    },
    observation("lab-a", "a"),
    observation("vital-a", "a", "vital-signs"),
    observation("lab-b", "b", note=[{"text": SECRET}]),
    {
        "resourceType": "Condition",
        "id": "k-b",
        "subject": {"reference": "Patient/b"},
        "code": {"text": SECRET},
        "meta": {"tag": [{"system": "urn:tags", "code": SECRET}]},
    },
    {
        **{"resourceType": "Encounter", "id": "e-b", "status": "finished"},
        **{"class": {"code": "AMB"}, "subject": {"reference": "Patient/b"}},
    },
    {
        # a's own resource points at what is b's: that must lead nowhere
        **{"resourceType": "Observation", "id": "points", "status": "final"},
        **{"code": {"text": "points"}, "subject": {"reference": "Patient/a"}},
        **{"encounter": {"reference": "Encounter/e-b"}},
        **{"hasMember": [{"reference": "Observation/lab-b"}]},
    },
]
