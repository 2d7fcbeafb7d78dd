"""What a narrow caller is answered does not depend on what is hidden from it.

Two servers hold the same record and the same shared resources; the second one holds a second record
besides, full of links to the first. Random requests by a narrow caller must be answered alike to
the byte, headers included; only instants, the ids that the server makes and the cursors differ.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Iterator
from contextlib import AsyncExitStack
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.callers import CATEGORY, Served, observation, served

EXAMPLES = int(os.environ.get("FHIR_INTERFERENCE_EXAMPLES", "150"))
"""Sequences of up to eight requests; thousands are a matter of this number."""

OWN = {"patient": "a", "fhir_user": "Patient/a"}
SCOPES = (
    "patient/*.cruds",
    "patient/*.rs",
    "user/*.cruds",
    f"patient/Observation.cruds?category={CATEGORY}|laboratory patient/Patient.rs",
    "patient/Observation.rs?date=ge2023 patient/Condition.cruds",
    "patient/Observation.cud patient/Patient.s",
)

SHARED: list[dict[str, Any]] = [
    {"resourceType": "Organization", "id": "g", "name": "Group"},
    {
        **{"resourceType": "Patient", "id": "a", "name": [{"family": "Dupont"}]},
        **{"gender": "female", "managingOrganization": {"reference": "Organization/g"}},
    },
    {
        **{"resourceType": "Encounter", "id": "e-a", "status": "finished"},
        **{"class": {"code": "AMB"}, "subject": {"reference": "Patient/a"}},
    },
    observation("o1", "a"),
    observation("o2", "a", "vital-signs", "2-2", effectiveDateTime="2022-05-05"),
    observation(
        *("o3", "a"),
        hasMember=[{"reference": "Observation/h1"}],
        encounter={"reference": "Encounter/e-b"},
    ),
    {"resourceType": "Condition", "id": "k1", "subject": {"reference": "Patient/a"}},
]
HIDDEN: list[dict[str, Any]] = [
    {
        **{"resourceType": "Patient", "id": "b", "name": [{"family": "Dupont"}]},
        **{"gender": "male", "managingOrganization": {"reference": "Organization/g"}},
        **{"meta": {"tag": [{"system": "urn:t", "code": "hidden"}]}},
    },
    {
        **{"resourceType": "Encounter", "id": "e-b", "status": "finished"},
        **{"class": {"code": "AMB"}, "subject": {"reference": "Patient/b"}},
    },
    observation("h1", "b", derivedFrom=[{"reference": "Observation/o1"}]),
    observation("h2", "b", "vital-signs", "2-2", focus=[{"reference": "Patient/a"}]),
    {
        **{"resourceType": "Condition", "id": "h3", "subject": {"reference": "Patient/b"}},
        **{"evidence": [{"detail": [{"reference": "Observation/o1"}]}]},
    },
    {"resourceType": "Device", "id": "d", "patient": {"reference": "Patient/a"}},
    {
        **{"resourceType": "Task", "id": "t", "status": "draft", "intent": "order"},
        **{"for": {"reference": "Patient/a"}, "focus": {"reference": "Observation/o1"}},
    },
    {"resourceType": "Basic", "id": "x", "code": {"text": "x"}},
]

_TYPES = st.sampled_from(
    ("Patient", "Observation", "Condition", "Encounter", "Organization", "Device", "Task", "Basic")
)
_IDS = st.sampled_from(
    ("a", "b", "g", "e-a", "e-b", "o1", "o2", "o3", "h1", "h2", "h3", "k1", "d", "t", "x", "none")
)
_PARAMETERS = st.sampled_from(
    (
        *("_id=o1,h1,a,b", "_count=1", "_count=2", "_total=accurate", "_summary=count"),
        *("_summary=true", "_elements=subject", "_sort=_lastUpdated", "_sort=-date", "_sort=code"),
        *("_sort=_id", "patient=a", "patient=b", "patient=a,b", "patient:missing=false"),
        *("subject=Patient/b", "category=laboratory", "category:not=laboratory", "code=1-1"),
        *("code:missing=true", "date=ge2023", "date=lt2023", "status=final", "gender=male"),
        *("family=dupont", "family:contains=pon", "_tag=urn:t|hidden", "_lastUpdated=gt2000"),
        *("_include=*", "_include=Observation:subject", "_include=Observation:has-member"),
        *(
            "_include:iterate=*",
            "_include=Observation:encounter",
            "_revinclude=Observation:subject",
        ),
        *("_revinclude=Observation:derived-from", "_revinclude=Condition:evidence-detail"),
        *(
            "_revinclude=Task:focus",
            "_revinclude=Patient:organization",
            "_revinclude=Device:patient",
        ),
        *("subject:Patient.gender=male", "patient.family=dupont", "encounter.subject=Patient/b"),
        *("has-member.code=1-1", "_has:Observation:patient:code=1-1"),
        *("_has:Patient:organization:gender=male", "_has:Patient:organization:_id=b"),
        *("_has:Observation:derived-from:status=final", "_has:Task:focus:status=draft"),
        *("organization=Organization/g", "nonsense=1", "_type=Patient,Observation"),
        *("_contained=false", "_explain=true", "_content=dupont"),
    )
)
_QUERIES = st.lists(_PARAMETERS, max_size=3).map("&".join)
_OPERATIONS = st.sampled_from(
    (
        *("Patient/a/$everything", "Patient/b/$everything", "Patient/a/$everything?_count=2"),
        *("Encounter/e-a/$everything", "Encounter/e-b/$everything", "$meta", "Observation/$meta"),
        *("Patient/$meta", "Patient/b/$meta", "Observation/o1/$meta", "Observation/h1/$validate"),
        "Observation/$lastn?patient=a&category=laboratory",
        "Observation/$lastn?patient=b&category=laboratory",
        "Observation/$lastn?patient=a,b&category=laboratory,vital-signs",
        "$graphql?query={ObservationList{id subject{reference}}}",
        '$graphql?query={PatientList(gender:"male"){id}}',
        "Patient/a/$graphql?query={name{family}}",
        "Observation/o3/$graphql?query={hasMember{resource{...on Observation{id}}}}",
        "Patient/$explain?gender=male",
    )
)


def _resource(type_: str, id_: str, patient: str) -> dict[str, Any]:
    if type_ == "Observation":
        return observation(id_, patient)
    reference = {"reference": f"Patient/{patient}"}
    more: dict[str, Any] = {
        "Condition": {"subject": reference},
        "Device": {"patient": reference},
        "Basic": {"code": {"text": "x"}, "subject": reference},
        "Encounter": {"status": "planned", "class": {"code": "AMB"}, "subject": reference},
        "Task": {"status": "draft", "intent": "order", "for": reference},
    }.get(type_, {})
    return {"resourceType": type_, "id": id_, **more}


_BODIES = st.builds(_resource, _TYPES, _IDS, st.sampled_from(("a", "b")))
_PATCHES = st.sampled_from(
    (
        [{"op": "replace", "path": "/status", "value": "amended"}],
        [{"op": "test", "path": "/status", "value": "final"}],
        [{"op": "replace", "path": "/subject/reference", "value": "Patient/b"}],
        [{"op": "add", "path": "/language", "value": "fr"}],
    )
)
Asked = tuple[str, str, Any, dict[str, str]]


@st.composite
def _requests(draw: st.DrawFn) -> Asked:
    type_, id_ = draw(_TYPES), draw(_IDS)
    kind = draw(st.integers(0, 15))
    none: dict[str, str] = {}
    match kind:
        case 0 | 1 | 2 | 3:
            return "GET", f"{type_}?{draw(_QUERIES)}", None, none
        case 4:
            return "GET", f"?{draw(_QUERIES)}", None, none
        case 5:
            owner = draw(st.sampled_from(("Patient/a", "Patient/b", "Encounter/e-b")))
            return "GET", f"{owner}/{draw(st.sampled_from((type_, '*')))}", None, none
        case 6:
            below = draw(st.sampled_from(("", "/_history", "/_history/1", "/_history/2")))
            return draw(st.sampled_from(("GET", "HEAD"))), f"{type_}/{id_}{below}", None, none
        case 7:
            return (
                "GET",
                draw(st.sampled_from(("", f"{type_}/"))) + "_history?_count=50",
                None,
                none,
            )
        case 8 | 9:
            return "GET", draw(_OPERATIONS), None, none
        case 10:
            body = draw(_BODIES)
            path = f"{body['resourceType']}/{body['id']}"
            headers = draw(st.sampled_from((none, {"If-Match": 'W/"1"'}, {"If-None-Match": "*"})))
            return "PUT", path, body, headers
        case 11:
            body = draw(_BODIES)
            criteria = draw(st.sampled_from(("", "_id=b", "patient=b", "code=1-1", "_id=o1,h1")))
            headers = {"If-None-Exist": criteria} if criteria else none
            return "POST", body["resourceType"], body, headers
        case 12:
            body = draw(_BODIES)
            return "PUT", f"{body['resourceType']}?{draw(_QUERIES)}", body, none
        case 13:
            patch = {"Content-Type": "application/json-patch+json"}
            path = draw(st.sampled_from((f"{type_}/{id_}", f"{type_}?_id={id_}")))
            return "PATCH", path, draw(_PATCHES), patch
        case 14:
            path = draw(st.sampled_from((f"{type_}/{id_}", f"{type_}?_id={id_}&_tag=urn:t|no")))
            return "DELETE", path, None, none
    method, url, body, headers = draw(_requests().filter(lambda asked: asked[1] != ""))
    request: dict[str, Any] = {"method": "GET" if method == "HEAD" else method, "url": url or "?"}
    entry: dict[str, Any] = {"request": request}
    if body is not None and method in ("PUT", "POST"):
        entry["resource"] = body
    kinds = st.sampled_from(("batch", "transaction"))
    return "POST", "", {"resourceType": "Bundle", "type": draw(kinds), "entry": [entry]}, none


_MASKS = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"), "<instant>"),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r'"id":"[0-9a-f]{32}"'), '"id":"<id>"'),
    (re.compile(r"_cursor=[A-Za-z0-9_-]+"), "<cursor>"),
    (re.compile(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT"), "<date>"),
)
_VARYING = ("x-request-id", "content-length")


def _masked(text: str) -> str:
    for pattern, mask in _MASKS:
        text = pattern.sub(mask, text)
    return text


class Twins:
    """The two servers, and one token of each scope at either."""

    def __init__(self, without: Served, with_: Served) -> None:
        self.both = (without, with_)
        self.tokens: dict[str, list[str]] = {}

    async def open(self) -> None:
        for scope in SCOPES:
            self.tokens[scope] = [await side.token(scope, **OWN) for side in self.both]

    async def restore(self) -> None:
        """The resources that were there at first, as they were."""
        for resource in SHARED:
            for side in self.both:
                await side.put(resource)

    async def answers(self, scope: str, asked: Asked) -> list[tuple[int, str, str]]:
        method, path, body, headers = asked
        found = []
        for side, token in zip(self.both, self.tokens[scope], strict=True):
            headers = {"Content-Type": "application/fhir+json", **headers}
            content = None if body is None else json.dumps(body)
            answer = await side.ask(method, path, token, headers=headers, content=content)
            kept = sorted(pair for pair in answer.headers.items() if pair[0] not in _VARYING)
            found.append((answer.status_code, _masked(str(kept)), _masked(answer.text)))
        return found


@pytest.fixture(scope="module")
def twins(mongodb: str) -> Iterator[tuple[asyncio.Runner, Twins]]:
    """The servers and the loop they run in; hypothesis calls from outside of any."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()

        async def start() -> Twins:
            options = {"conditional_delete": "multiple", "requests_per_minute": 0}
            sides = [
                await stack.enter_async_context(served(mongodb, f"test_twin_{number}", **options))
                for number in (1, 2)
            ]
            for side in sides:
                # Random ids would order equal rows differently on either side.
                ids = (str(UUID(int=number)) for number in count())
                object.__setattr__(side.services, "new_id", ids.__next__)
            for resource in SHARED:
                await sides[0].put(resource)
            for resource in (*HIDDEN[:3], *SHARED, *HIDDEN[3:]):
                await sides[1].put(resource)
            made = Twins(*sides)
            await made.open()
            return made

        try:
            yield runner, runner.run(start())
        finally:
            runner.run(stack.aclose())


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(scope=st.sampled_from(SCOPES), sequence=st.lists(_requests(), min_size=1, max_size=8))
def test_what_is_hidden_changes_no_answer(
    scope: str, sequence: list[Asked], twins: tuple[asyncio.Runner, Twins]
) -> None:
    runner, sides = twins

    async def compare() -> None:
        wrote = any(asked[0] not in ("GET", "HEAD") for asked in sequence)
        try:
            for asked in sequence:
                without, with_ = await sides.answers(scope, asked)
                assert without == with_, (scope, asked)
                assert without[0] < 500, (asked, without)
        finally:
            if wrote:
                await sides.restore()

    runner.run(compare())


def test_the_comparison_sees_what_is_shown(twins: tuple[asyncio.Runner, Twins]) -> None:
    """Who sees everything is answered differently, so the comparison above can fail."""
    runner, sides = twins

    async def differ() -> int:
        asked = ("Patient", "Observation?_summary=count", "$meta", "Patient?_sort=_id&_count=1")
        count = 0
        for path in asked:
            texts = []
            for side in sides.both:
                answer = await side.ask("GET", path, await side.system("system/*.rs"))
                texts.append((answer.status_code, _masked(answer.text)))
            count += texts[0] != texts[1]
        return count

    assert runner.run(differ()) == 4
