"""`fhir-server terminology`: code systems loaded as users do it."""

from __future__ import annotations

import pytest

from tests.cli.command import run
from tests.unit.terminology import releases


@pytest.fixture
def settings(mongodb: str, database_name: str) -> dict[str, str]:
    return {"mongodb_uri": mongodb, "mongodb_database": database_name}


@pytest.mark.parametrize(
    ("make", "options", "says"),
    [
        (releases.loinc, (), "Loaded 4 concepts of http://loinc.org|2.99"),
        (releases.snomed, (), "Loaded 4 concepts of http://snomed.info/sct|"),
        (releases.fhir, (), "Loaded 3 concepts of http://example.org/things|7"),
        (
            releases.table,
            ("--system", "http://example.org/t", "--version", "2"),
            "Loaded 3 concepts of http://example.org/t|2",
        ),
    ],
)
def test_a_release_is_loaded_and_listed(settings, tmp_path, make, options, says):
    done = run("terminology", "load", make(tmp_path), *options, **settings)
    assert done.returncode == 0, done.stderr
    assert says in done.stdout
    listed = run("terminology", "list", **settings)
    assert says.split()[-1] in listed.stdout


def test_what_is_no_release_is_one_line(settings, tmp_path):
    done = run("terminology", "load", tmp_path, **settings)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "no release" in done.stderr
