"""Searches through the front door, by tables: what each finds, by GET and by POST.

A table (`tables/*.yaml`) has `resources` by `Type/id` (over the `defaults` of their type) and
groups of searches. What a search must answer is written as: text, the ids found in any order
(`Type/id` where types are mixed); a list, the ids in order; a number, the status of a refusal; or
a mapping of `ids` or `order` and whatever else is checked: `total` (null for none), `self` (the
query of the self link), `include`, `outcome` (a text in the warning), `headers`, `has`/`hasnot`
(JSON properties of every match), `pages` (the sizes of all pages), `raw` (already encoded).
Unless said otherwise the self link repeats the query, and `total` is the number of matches.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import yaml

from tests.spec.search.front_door import BASE, FrontDoor, front_door, pairs_of


class _Loader(yaml.SafeLoader):
    """Numbers as FHIR keeps them, and no dates."""


_Loader.add_constructor("tag:yaml.org,2002:float", lambda _, node: Decimal(node.value))
_Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda _, node: node.value)

TABLES: dict[str, dict[str, Any]] = {
    path.stem: yaml.load(path.read_text(), Loader=_Loader)
    for path in sorted((Path(__file__).parent / "tables").glob("*.yaml"))
}
ROWS = [
    pytest.param(name, query, expected, id=f"{group}: {query}")
    for name, table in TABLES.items()
    for group, searches in table["searches"].items()
    for query, expected in searches.items()
]


class Doors(dict[str, FrontDoor]):
    """A filled server for each table, opened when it is first asked."""

    def __init__(self, mongodb: str, stack: ExitStack) -> None:
        self._mongodb, self._stack = mongodb, stack

    def __missing__(self, name: str) -> FrontDoor:
        table = TABLES[name]
        door = self._stack.enter_context(front_door(self._mongodb, f"search_table_{name}"))
        for place, content in table["resources"].items():
            type_, _, id_ = place.partition("/")
            whole = table.get("defaults", {}).get(type_, {}) | (content or {})
            answer = door.put({"resourceType": type_, "id": id_, **whole})
            assert answer.status_code == 201, answer.text
        self[name] = door
        return door


@pytest.fixture(scope="module")
def doors(mongodb: str) -> Iterator[Doors]:
    """The servers of all tables."""
    with ExitStack() as stack:
        yield Doors(mongodb, stack)


@pytest.mark.parametrize(("table", "query", "expected"), ROWS)
def test_search(doors: Doors, table: str, query: str, expected: Any) -> None:
    path, _, text = query.partition("?")
    said: dict[str, Any] = {
        str: lambda: {"ids": expected},
        list: lambda: {"order": expected},
        int: lambda: {"status": expected},
    }.get(type(expected), lambda: expected)()
    encoded = text if said.get("raw") else urlencode(pairs_of(text))
    headers = said.get("headers", {})
    form = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    place = f"{path}/_search" if path else "_search"
    for answer in (
        doors[table].ask("GET", f"{path}?{encoded}", headers=headers),
        doors[table].ask("POST", place, content=encoded, headers=form),
    ):
        check(doors[table], answer, path, encoded, said)


def check(door: FrontDoor, answer: Any, path: str, encoded: str, said: dict[str, Any]) -> None:
    """The answer is what the row says."""
    assert answer.status_code == said.get("status", 200), answer.text
    found = answer.json()
    if answer.status_code != 200:
        assert found["resourceType"] == "OperationOutcome"
        assert found["issue"][0]["severity"] == "error"
        assert found["issue"][0]["diagnostics"]
        return
    assert (found["resourceType"], found["type"]) == ("Bundle", "searchset")
    entries = {mode: _of(found, mode) for mode in ("match", "include", "outcome")}
    pages, following = [len(entries["match"])], _link(found, "next")
    while "pages" in said and following:
        more = door.ask("GET", following).json()
        entries["match"] += _of(more, "match")
        pages.append(len(_of(more, "match")))
        following = _link(more, "next")
    wanted = said["order"] if "order" in said else said.get("ids", "").split()
    ids = [
        f"{one['resourceType']}/{one['id']}" if "/" in "".join(wanted) else one["id"]
        for one in entries["match"]
    ]
    if "order" in said:
        assert ids == wanted
    elif "ids" in said:
        assert sorted(ids) == sorted(wanted)
    if "pages" in said:
        assert pages == said["pages"]
    if "total" in said or not _link(found, "next"):
        assert found.get("total") == said.get("total", len(ids))
    included = [f"{one['resourceType']}/{one['id']}" for one in entries["include"]]
    assert sorted(included) == sorted(said.get("include", "").split())
    warnings = [issue["diagnostics"] for one in entries["outcome"] for issue in one["issue"]]
    assert bool(warnings) == ("outcome" in said), warnings
    assert said.get("outcome", "") in "".join(warnings)
    for one in entries["match"]:
        for name in said.get("has", "").split():
            assert name in one
        for name in said.get("hasnot", "").split():
            assert name not in one
    applied = urlsplit(_link(found, "self"))
    assert applied.geturl().startswith(f"{BASE}/{path}" if path else BASE)
    query = urlencode(pairs_of(said["self"])) if "self" in said else encoded
    assert _pairs(applied.query) == _pairs(query)


def _pairs(query: str) -> list[tuple[str, str]]:
    """What a query says, sorted; how long a page is was said, or is the default."""
    return sorted(pair for pair in parse_qsl(query) if pair != ("_count", "50"))


def _of(bundle: dict[str, Any], mode: str) -> list[dict[str, Any]]:
    entries = bundle.get("entry", [])
    assert entries or "entry" not in bundle
    for entry in entries:
        if mode != "outcome" and entry["search"]["mode"] == mode:
            one = entry["resource"]
            assert entry["fullUrl"] == f"{BASE}/{one['resourceType']}/{one['id']}"
    return [one["resource"] for one in entries if one["search"]["mode"] == mode]


def _link(bundle: dict[str, Any], relation: str) -> str:
    return next((one["url"] for one in bundle["link"] if one["relation"] == relation), "")
