"""The pages say everything in both languages, and nothing that is not in the table."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest

import fhir_server.web
from fhir_server.access.scopes import parse_scopes
from fhir_server.fhir import definitions
from fhir_server.web.languages import language, shown_day
from fhir_server.web.messages import MESSAGES
from fhir_server.web.scope_words import asked

WEB = Path(fhir_server.web.__file__).parent


def places(text: str) -> set[str | None]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("key", MESSAGES)
def test_both_languages_say_it_of_the_same_things(key):
    french, english = MESSAGES[key]
    assert french
    assert english
    assert places(french) == places(english)


@pytest.mark.parametrize("page", sorted(WEB.glob("templates/*.html")), ids=lambda page: page.name)
def test_a_template_says_only_what_the_table_has(page):
    for key, sort in re.findall(r'say\("([^"]+)"( ~)?', page.read_text()):
        assert (key in MESSAGES) if not sort else any(known.startswith(key) for known in MESSAGES)


def test_nothing_in_the_table_is_said_nowhere():
    paths = [*WEB.parent.rglob("*.py"), *WEB.rglob("*.html")]
    text = "".join(p.read_text() for p in paths if p.name not in ("messages.py", "type_names.py"))
    composed = ("type-", "level-", "verb-", "account-kind-")
    assert [k for k in MESSAGES if not k.startswith(composed) and f'"{k}"' not in text] == []


def test_type_names_are_of_resource_types():
    types = set(definitions.load().resource_types) | {"every", "other"}
    assert {key[5:] for key in MESSAGES if key.startswith("type-")} <= types


def test_every_scope_has_its_box_but_for_launch_context():
    text = "openid fhirUser launch/patient offline_access patient/*.rs user/Task.write"
    scopes = parse_scopes(text)
    boxes = [item for group in asked(scopes) for item in group.items]
    granted = " ".join(item.text for item in boxes).split()
    assert sorted([*granted, "launch/patient"]) == sorted(text.split())
    assert all(verb in MESSAGES for item in boxes for verb in item.verbs)


@pytest.mark.parametrize(
    ("chosen", "header", "found"),
    [
        ("fr", "en", "fr"),
        ("xx", "fr", "fr"),
        (None, "", "en"),
        (None, "fr;q=0, en", "en"),
        (None, "en;q=0.4,fr-CA;q=0.8", "fr"),
        (None, "fr;q=nonsense", "en"),
    ],
)
def test_a_choice_goes_before_what_the_browser_likes(chosen, header, found):
    assert language(chosen, header) == found


@pytest.mark.parametrize(
    ("date", "french", "english"),
    [
        ("1991-07-17", "17 juillet 1991", "17 July 1991"),
        ("1991-07", "juillet 1991", "July 1991"),
        ("1991", "1991", "1991"),
        ("", "", ""),
    ],
)
def test_dates_are_as_people_write_them(date, french, english):
    assert (shown_day(date, "fr"), shown_day(date, "en")) == (french, english)
