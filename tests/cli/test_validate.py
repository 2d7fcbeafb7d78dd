"""`fhir-server validate`: a readable report, and an exit status that scripts can go by."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

from fhir_server.validation.profiles.library import folder
from tests.cli.command import run

CORE = "http://hl7.org/fhir/StructureDefinition/"


def words(text: str) -> str:
    """The text without the line breaks that the terminal's width makes."""
    return " ".join(text.split())


def write(path: Path, resource: Any) -> Path:
    path.write_text(json.dumps(resource))
    return path


def profile() -> dict[str, Any]:
    return {
        "resourceType": "StructureDefinition",
        "url": "http://example.org/p",
        "name": "P",
        "status": "active",
        "kind": "resource",
        "abstract": False,
        "type": "Patient",
        "derivation": "constraint",
        "baseDefinition": f"{CORE}Patient",
        "differential": {"element": [{"path": "Patient"}, {"path": "Patient.birthDate", "min": 1}]},
    }


def package(path: Path, **manifest: Any) -> Path:
    files = {
        "package/package.json": {"name": "test.p", "version": "1.0.0", **manifest},
        "package/StructureDefinition-p.json": profile(),
    }
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            body = json.dumps(content).encode()
            member = tarfile.TarInfo(name)
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
    return path


def test_sound_resources_end_with_status_0() -> None:
    done = run("validate", folder() / "examples", "--quiet")
    assert done.returncode == 0, done.stdout
    assert "42 validated, 0 with errors" in done.stdout


def test_faults_are_told_with_their_places_and_status_1(tmp_path: Path) -> None:
    write(tmp_path / "a.json", {"resourceType": "Patient", "gender": "x"})
    (tmp_path / "b.ndjson").write_text('{"resourceType":"Patient"}\n{"resourceType":"Nobody"}\n')
    (tmp_path / "c.json").write_text("{")
    done = run("validate", tmp_path)
    assert done.returncode == 1
    told = words(done.stdout)
    assert "Patient.gender" in told
    assert "b.ndjson:2 errors" in told
    assert "dom-6" in told
    assert "4 validated, 3 with errors" in told
    assert "Traceback" not in done.stderr


def test_lines_before_the_end_of_a_broken_file_are_told(tmp_path: Path) -> None:
    lines = b'{"resourceType":"Patient"}\n{"resourceType":"Patient","gender":"x"}\n'
    (tmp_path / "cut.ndjson.gz").write_bytes(gzip.compress(lines) + gzip.compress(lines)[:5])
    sound = write(tmp_path / "sound.json", {"resourceType": "Patient"})
    done = run("validate", tmp_path / "cut.ndjson.gz", sound)
    assert done.returncode == 1
    told = words(done.stdout)
    assert "cut.ndjson.gz:1 valid" in told
    assert "cut.ndjson.gz:2 errors" in told
    assert "After line 2: The file cannot be unpacked" in told
    assert "sound.json valid" in told


def test_a_profile_is_known_from_its_package(tmp_path: Path) -> None:
    patient = write(tmp_path / "a.json", {"resourceType": "Patient"})
    known = package(tmp_path / "p.tgz")
    url = "http://example.org/p"
    done = run("validate", patient, "--profile", url)
    assert done.returncode == 1
    assert "is not known" in done.stderr
    done = run("validate", patient, "--profile", url, "--package", known)
    assert done.returncode == 1
    assert "birthDate is required" in words(done.stdout)
    write(patient, {"resourceType": "Patient", "birthDate": "2000-01-01"})
    assert run("validate", patient, "--profile", url, "--package", known).returncode == 0


def test_a_package_of_another_version_is_refused(tmp_path: Path) -> None:
    patient = write(tmp_path / "a.json", {"resourceType": "Patient"})
    other = package(tmp_path / "p.tgz", fhirVersions=["5.0.0"])
    done = run("validate", patient, "--package", other)
    assert done.returncode == 1
    assert "is for FHIR 5.0.0" in words(done.stderr)
