"""Searches meant to hurt: the right answer or a clear refusal, in bounded time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.searching import ids, observation
from tests.spec.search.front_door import FrontDoor, front_door

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SECONDS = 10


@pytest.fixture(scope="module")
def door(mongodb: str) -> Iterator[FrontDoor]:
    """A server with a patient and an Observation."""
    with front_door(mongodb, "test_search_hostile") as found:
        name = [{"family": "a+(b)*[c]^$"}]
        found.put({"resourceType": "Patient", "id": "a", "name": name, "gender": "male"})
        found.put(observation("o", "a", "1-1", "2020-01-01", 5))
        yield found


def chained(depth: int) -> str:
    return "Organization?" + "partof:Organization." * depth + "name=x"


def reversed_(depth: int) -> str:
    return "Patient?" + "_has:Observation:subject:_has:Observation:derived-from:" * depth + "code=x"


MANY = ",".join(f"v{number}" for number in range(10_000))

QUERIES = {
    "10,000 tokens": (f"Observation?code={MANY},1-1", ["o"]),
    "10,000 tokens, none of them": (f"Observation?code:not={MANY}", ["o"]),
    "10,000 ids": (f"Patient?_id={MANY},a", ["a"]),
    "10,000 references": (f"Observation?subject={MANY},a", ["o"]),
    "10,000 strings": (f"Patient?family={MANY},a", ["a"]),
    "10,000 dates": ("Observation?date=" + ",".join(["2019"] * 9_999 + ["2020"]), ["o"]),
    "10,000 different dates": (
        "Observation?date=" + ",".join(f"{n % 28 + 1000}-01-01T00:00:{n % 60:02}Z"
                                       for n in range(10_000)) + ",2020", None),
    "10,000 quantities": (
        "Observation?value-quantity=" + ",".join(f"{n + 10}" for n in range(10_000)) + ",5", None),
    "10,000 conditions": ("Patient?" + "&".join(["gender=male"] * 10_000), None),
    "10,000 values in a chain": (f"Observation?subject:Patient._id={MANY},a", ["o"]),
    "1 MB in one value": ("Observation?code=" + "x" * 1_000_000, None),
    "1 MB of a string": ("Patient?family=" + "x" * 1_000_000, None),
    "1 MB of an exact string": ("Patient?family:exact=" + "x" * 1_000_000, None),
    "1 MB of a number": ("Observation?value-quantity=" + "9" * 1_000_000, None),
    "1 MB of a date": ("Observation?date=" + "2" * 1_000_000, None),
    "1 MB of backslashes": ("Observation?code=" + "\\" * 1_000_000, None),
    "1 MB of commas": ("Observation?code=" + "," * 1_000_000, ["o"]),
    "1 MB of bars": ("Observation?code=" + "|" * 1_000_000, None),
    "1 MB of dollars": ("Observation?code-value-quantity=" + "$" * 1_000_000, None),
    "1 MB in a name": ("Observation?" + "x" * 1_000_000 + "=1", None),
    "100,000 names": ("Observation?" + "&".join(f"x{n}=1" for n in range(100_000)), None),
    "a chain of 10": (chained(10), []),
    "a chain of 1,000": (chained(1_000), None),
    "a chain of 100,000": (chained(100_000), None),
    "_has 3 deep": (reversed_(3), []),
    "_has 15 deep": (reversed_(7).replace("=x", ":missing=true"), []),
    "_has 17 deep": (reversed_(8), None),
    "chains and _has by turns": (
        "Patient?" + "_has:Observation:subject:subject:Patient." * 8 + "_id=a", ["a"]),
    "more of them by turns": (
        "Patient?" + "_has:Observation:subject:subject:Patient." * 9 + "_id=a", None),
    "_has 1,000 deep": (reversed_(1_000), None),
    "untyped chain of many ways": ("Observation?" + "subject." * 10 + "name=x", None),
    "untyped chain through everything": ("Provenance?" + "target." * 6 + "_id=x", None),
    "a huge exponent": ("Observation?value-quantity=1e999999999", None),
    "a tiny exponent": ("Observation?value-quantity=1e-999999999", None),
    "an exponent of three digits": ("Observation?value-quantity=lt1e308", ["o"]),
    "beyond a double": ("Observation?value-quantity=lt1e999", None),
    "the year 0": ("Observation?date=0000", None),
    "the year 9999": ("Observation?date=lt9999-12-31T23:59:59.999Z", ["o"]),
    "a leap second": ("Observation?date=2016-12-31T23:59:60Z", None),
    "a zone that is none": ("Observation?date=2020-01-01T00:00:00%2B99:99", None),
    "a fraction of 1,000 digits": (f"Observation?date=2020-01-01T00:00:00.{'1' * 1000}Z", None),
    "a huge count": ("Observation?_count=" + "9" * 10_000, ["o"]),
    "1,000 sort keys": ("Observation?_sort=" + ",".join(["date", "-code"] * 500), None),
    "all sort keys": ("Observation?_sort=status,code,subject,value-quantity,category,_id", ["o"]),
    "1,000 includes": (
        "Observation?" + "&".join(["_include=Observation:subject"] * 1_000), ["o"]),
    "surrogates": ("Patient?family=%ED%A0%80", None),
    "bytes that are no UTF-8": ("Patient?family=%FF%FE", None),
    "a NUL": ("Patient?family=%00", None),
    "a NUL in a token": ("Patient?gender=%00", None),
    "a NUL in an id": ("Patient?_id=%00", None),
    "a NUL in a name": ("Patient?%00=1", None),
    "an operator": ("Patient?gender[$ne]=x", None),
    "an operator as value": ("Patient?gender=%7B%22%24ne%22%3A1%7D", []),
    "a regular expression": ("Patient?family=" + quote("a+(b)*[c]^$"), ["a"]),
    "the same in the middle": ("Patient?family:contains=" + quote("(b)*[c]"), ["a"]),
    "one that explodes": ("Patient?family:contains=" + quote("(a+)+" * 30), None),
    "exact signs": ("Patient?family:exact=" + quote("a+(b)*[c]^$"), ["a"]),
    "a wildcard": ("Patient?family:exact=a*", []),
}  # fmt: skip


@pytest.mark.parametrize(("query", "found"), QUERIES.values(), ids=QUERIES)
def test_it_is_answered_or_refused(door: FrontDoor, query: str, found: list[str] | None) -> None:
    """Q-26: by POST, since a URL has a bound of its own; None stands for any clear answer."""
    path, _, form = query.partition("?")
    began = time.monotonic()
    answer = door.ask("POST", f"{path}/_search", content=form, headers=FORM)
    assert time.monotonic() - began < SECONDS
    assert answer.status_code < 500, answer.text[:500]
    assert len(answer.content) < 5_000_000
    if answer.status_code == 200:
        assert ids(answer.json()) == (found if found is not None else ids(answer.json()))
    else:
        assert found is None, answer.text[:500]
        assert answer.json()["issue"][0]["diagnostics"]


def test_a_url_has_a_bound(door: FrontDoor) -> None:
    """P-15: too long a URL is refused, not cut."""
    answer = door.ask("GET", f"Observation?code={'x' * 60_000}")
    assert answer.status_code in (200, 400, 414)
    if answer.status_code == 200:
        assert ids(answer.json()) == []
