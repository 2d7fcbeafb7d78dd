"""`fhir-server clients`, on the real database."""

from __future__ import annotations

import json
import re

import pytest
from typer.testing import CliRunner

from fhir_server.cli import app
from fhir_server.cli.console import Failed
from tests.api.smart import CLIENTS, JWKS


@pytest.fixture
def run(mongodb, database_name, monkeypatch):
    monkeypatch.setenv("FHIR_MONGODB_URI", mongodb)
    monkeypatch.setenv("FHIR_MONGODB_DATABASE", database_name)

    def invoke(*arguments):
        result = CliRunner().invoke(app, ["clients", *map(str, arguments)])
        if isinstance(result.exception, Failed):
            return str(result.exception)
        assert result.exit_code == 0, result.output
        return result.output

    return invoke


def secret_in(output):
    return re.search(r"shown this once: (\S{40,})", output)[1]


def test_a_client_is_registered_listed_and_removed(run):
    made = run("add", "app", "--redirect", "https://app.example.org/cb", "--scope", "patient/*.rs")
    first = secret_in(made)
    listed = run("list")
    assert "app" in listed
    assert "symmetric" in listed
    assert first not in listed
    assert secret_in(run("secret", "app")) != first
    assert "is removed" in run("remove", "app")
    assert "no client app" in run("remove", "app")
    assert "no client app" in run("secret", "app")


def test_a_public_client_has_no_secret(run):
    made = run("add", "app", "--public", "--redirect", "https://app.example.org/cb")
    assert "public" in made
    assert "secret" not in made


def test_a_backend_service_has_its_keys_from_a_file_or_a_url(run, tmp_path):
    keys = tmp_path / "jwks.json"
    keys.write_text(json.dumps(JWKS))
    assert "backend" in run("add", "one", "--backend", "--jwks", keys, "--scope", "system/*.rs")
    url = "https://service.example.org/jwks"
    assert "backend" in run("add", "two", "--backend", "--jwks", url, "--scope", "system/*.rs")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--public"], "redirect_uris"),
        (["--redirect", "http://app.example.org/"], "plain http"),
        (["--backend"], "private_key_jwt"),
        (["--backend", "--public"], "no keys"),
        (["--backend", "--jwks", "/nowhere"], "No such file"),
    ],
)
def test_what_is_not_in_order_is_said(run, arguments, text):
    assert text in run("add", "app", *arguments)


def test_an_id_is_taken_once(run):
    run("add", "app", "--public", "--redirect", "https://app.example.org/cb")
    again = run("add", "app", "--public", "--redirect", "https://app.example.org/cb")
    assert "app is taken" in again


def test_a_file_replaces_the_file_before(run, tmp_path):
    path = tmp_path / "clients.json"
    path.write_text(json.dumps(CLIENTS))
    assert f"{len(CLIENTS)} clients" in run("file", path)
    path.write_text(json.dumps(CLIENTS[:1]))
    assert "backend is removed" in run("file", path)
    listed = run("list")
    assert "public" in listed
    assert "introspector" not in listed
