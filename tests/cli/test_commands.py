"""The smaller commands: migrate, doctor, fhirpath; help and faults."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from typer.testing import CliRunner

from fhir_server.cli import app
from tests.cli.command import run

COMMANDS = ("serve", "demo", "load", "migrate", "reindex", "doctor", "fhirpath")


def test_help_lists_every_command():
    done = run("--help")
    assert done.returncode == 0
    assert all(command in done.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_its_help(command):
    done = CliRunner().invoke(app, [command, "--help"])
    assert done.exit_code == 0
    assert f"Usage: fhir-server {command}" in done.stdout


def test_version():
    assert run("--version").stdout.strip() == "0.1.0"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"port": "x"}, "FHIR_PORT"),
        ({"base_url": "nonsense"}, "FHIR_BASE_URL"),
        ({"access": "ajar"}, "FHIR_ACCESS"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(settings, says, tmp_path):
    done = run("serve", "--data", tmp_path, **settings)
    assert done.returncode == 1
    assert done.stderr.startswith(says)
    assert len(done.stderr.splitlines()) == 1


def test_migrate_applies_once(mongodb, empty_database):
    at = {"mongodb_uri": mongodb, "mongodb_database": empty_database}
    assert "Applied 0001" in run("migrate", **at).stdout
    assert "up to date" in run("migrate", **at).stdout


def test_doctor_finds_a_fresh_installation_sound(tmp_path):
    done = run("doctor", "--data", tmp_path)
    assert done.returncode == 0, done.stdout
    for subject in ("definitions", "disk", "database", "replica set", "migrations", "indexes"):
        assert f"ok    {subject}: " in done.stdout


def test_doctor_says_what_to_do_about_a_database_that_is_not_migrated(mongodb, empty_database):
    done = run("doctor", mongodb_uri=mongodb, mongodb_database=empty_database)
    assert done.returncode == 1
    assert "WRONG migrations" in done.stdout
    assert "fhir-server migrate" in done.stdout


def test_doctor_misses_an_index(mongodb, empty_database, tmp_path):
    at = {"mongodb_uri": mongodb, "mongodb_database": empty_database}
    (tmp_path / "p.json").write_text('{"resourceType":"Patient"}')
    run("migrate", **at)
    assert run("load", tmp_path, **at).returncode == 0
    assert run("doctor", **at).returncode == 0
    with MongoClient[dict[str, Any]](mongodb) as client:
        client[empty_database]["Patient"].drop_index("r")
    done = run("doctor", **at)
    assert done.returncode == 1
    assert "Patient.r" in done.stdout


def test_reindex_writes_lost_keys_anew(mongodb, empty_database, tmp_path):
    at = {"mongodb_uri": mongodb, "mongodb_database": empty_database}
    (tmp_path / "p.json").write_text('{"resourceType":"Patient","id":"p","gender":"male"}')
    run("migrate", **at)
    run("load", tmp_path, **at)
    with MongoClient[dict[str, Any]](mongodb) as client:
        patients = client[empty_database]["Patient"]
        before = patients.find_one({}, {"k": 1})
        patients.update_one({}, {"$set": {"k": ["*"]}})
        done = run("reindex", "--type", "Patient", **at)
        assert done.returncode == 0, done.stderr
        assert "Keys of 1 resources" in done.stdout
        assert patients.find_one({}, {"k": 1}) == before


def test_reindex_of_an_unknown_type_is_one_clear_line(tmp_path):
    done = run("reindex", "--type", "Nonsense", "--data", tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["Nonsense is no resource type of FHIR R4"]


def test_doctor_tells_of_a_database_that_does_not_answer(tmp_path):
    uri = "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=200"
    done = run("doctor", "--data", tmp_path, mongodb_uri=uri)
    assert done.returncode == 1
    assert "WRONG database" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.fixture
def patient(tmp_path: Path) -> Path:
    path = tmp_path / "patient.json"
    path.write_text('{"resourceType":"Patient","name":[{"given":["Ana","Bé"],"family":"C"}]}')
    return path


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("Patient.name.given", ["Ana", "Bé"]),
        ("name.given.count() * 2.50", [5.0]),
        ("name.where(family = 'C').exists()", [True]),
        ("contact", []),
        ("name", [{"given": ["Ana", "Bé"], "family": "C"}]),
        ("@2020-02-03", ["2020-02-03"]),
    ],
)
def test_fhirpath_prints_json(expression, result, patient):
    done = run("fhirpath", expression, patient)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == result


def test_fhirpath_reads_standard_input_and_xml():
    xml = '<Patient xmlns="http://hl7.org/fhir"><birthDate value="1990-05"/></Patient>'
    assert json.loads(run("fhirpath", "birthDate", "-", stdin=xml).stdout) == ["1990-05"]


@pytest.mark.parametrize(("expression", "file"), [("name.", "patient.json"), ("name", "gone.json")])
def test_a_fault_of_fhirpath_is_one_line(expression, file, patient):
    done = run("fhirpath", expression, patient.with_name(file))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()
