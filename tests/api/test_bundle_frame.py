"""Entries in the usual form are opened in a short way, which must see what the long one sees."""

from __future__ import annotations

import httpx
import pytest

from tests.api.assertions import FHIR, assert_outcome, assert_response_bundle

REQUEST = '"request":{"method":"POST","url":"Patient"}'
RESOURCE = '"resource":{"resourceType":"Patient"}'


def good(number: int) -> str:
    return f'{{"fullUrl":"urn:oid:1.2.{number}",{RESOURCE},{REQUEST}}}'


async def send(client: httpx.AsyncClient, *entries: str) -> httpx.Response:
    body = f'{{"resourceType":"Bundle","type":"transaction","entry":[{",".join(entries)}]}}'
    return await client.post("", content=body, headers=FHIR)


async def test_spaces_make_no_difference(client: httpx.AsyncClient) -> None:
    spaced = good(2).replace(":{", " : {\n").replace(",", " ,\t")
    response = await send(client, good(1), spaced, good(3))
    assert_response_bundle(response, "transaction-response", ["201"] * 3)


@pytest.mark.parametrize(
    ("wrong", "status", "code", "place"),
    [
        (f'{{"fullUrl":"urn:oid:1.3 4",{RESOURCE},{REQUEST}}}', 422, "value", "fullUrl"),
        (f'{{"fullUrl":5,{RESOURCE},{REQUEST}}}', 422, "structure", "fullUrl"),
        (f'{{"fullUrl":"a:b","fullUrl":"a:c",{RESOURCE},{REQUEST}}}', 400, "structure", "fullUrl"),
        (f'{{"fullUrl":"a:b",{RESOURCE},{REQUEST},{REQUEST}}}', 400, "structure", "request"),
        (f'{{"fullUrl":"a:b",{RESOURCE},{RESOURCE},{REQUEST}}}', 400, "structure", "resource"),
        (f'{{"fullUrl":"a:b",{RESOURCE},"request":[]}}', 400, "invalid", "request"),
        (f'{{"fullUrl":"a:b","resource":[],{REQUEST}}}', 422, "structure", "resource"),
        (f'{{"fullUrl":"a:b",{RESOURCE},"x":1,{REQUEST}}}', 422, "structure", "x"),
        (
            f'{{"fullUrl":"a:b",{RESOURCE},"request":{{"url":"Patient","method":"POST","url":"X"}}}}',
            400,
            "structure",
            "request.url",
        ),
    ],
)
async def test_what_is_wrong_is_told_with_its_place(
    client: httpx.AsyncClient, wrong: str, status: int, code: str, place: str
) -> None:
    for entries in ([good(1), wrong, good(3)], [good(1), wrong.replace(',"', ', "'), good(3)]):
        response = await send(client, *entries)
        assert_outcome(response, status, code, f"Bundle.entry[1].{place}")


async def test_the_same_fault_is_told_of_every_entry_that_has_it(
    client: httpx.AsyncClient,
) -> None:
    wrong = good(1).replace('"url"', '"nickname":"x","url"')
    entries = [wrong.replace("1.2.1", f"1.2.{number}") for number in range(55)]
    entries[7] = good(7)
    issues = assert_outcome(await send(client, *entries), 422, "structure")
    assert [issue["expression"] for issue in issues] == [
        [f"Bundle.entry[{number}].request.nickname"] for number in range(55) if number != 7
    ]
