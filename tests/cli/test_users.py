"""`fhir-server users`: accounts from the command line, beside a database of its own."""

from __future__ import annotations

import re

import pytest

from tests.cli.command import run


@pytest.fixture
def users(mongodb, database_name):
    def call(*arguments: str):
        return run("users", *arguments, mongodb_uri=mongodb, mongodb_database=database_name)

    return call


def code(done) -> str:
    assert done.returncode == 0, done.stderr
    return re.search(r"good once: (\S{19})", done.stdout)[1]


def test_an_account_begins_with_a_code_on_paper_and_can_be_begun_anew(users):
    first = code(users("add", "Yanis", "--as", "Patient/yanis", "--title", "Yanis D."))
    listed = users("list").stdout
    assert re.search(r"yanis +Patient/yanis +Patient/yanis +1 codes on paper", listed)
    assert first not in listed
    assert code(users("reset", "yanis")) != first
    assert users("disable", "yanis").returncode == 0
    assert "disabled" in users("list").stdout
    assert users("remove", "yanis").returncode == 0
    assert "yanis" not in users("list").stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("add", "x1"), "--as Patient/ID"),
        (("add", "x1", "--as", "Patient/1", "--admin"), "--as Patient/ID"),
        (("add", "x1", "--as", "Organization/1"), "is none of"),
        (("add", "x y", "--admin"), "2 to 64 characters"),
        (("add", "x1", "--as", "RelatedPerson/1"), "does not exist"),
        (("reset", "nobody"), "Nobody signs in as nobody"),
    ],
)
def test_what_is_wrong_is_one_line_that_says_what_is_right(users, arguments, told):
    done = users(*arguments)
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr
