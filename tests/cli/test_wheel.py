"""A wheel built from the checkout works in another place, with nothing of the checkout."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`fhir-server` in an environment that has the wheel, and the libraries by reference."""
    home = tmp_path_factory.mktemp("elsewhere")
    venv.create(home, with_pip=False, symlinks=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    own = home / "lib" / version / "site-packages"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(own)
    # Libraries, but not the checkout: its own .pth file is not followed from here.
    (own / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    script = home / "bin" / "fhir-server"
    script.write_text(
        f"#!{home}/bin/python\nimport sys\nfrom fhir_server.cli import main\nsys.exit(main())\n"
    )
    script.chmod(0o755)
    return script


def test_it_holds_what_is_needed_at_run_time(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert "fhir_server/migrations/0001_claims_and_jobs.py" in names
    assert "fhir_server/fhir/data/r4.json.zst" in names
    assert "fhir_server/terminology/data/r4.archive" in names
    assert "fhir_server/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "docs/"))]


def test_it_loads_and_passes_the_doctor_and_serves(program, tmp_path):
    def run(*arguments: str) -> str:
        done = subprocess.run(
            [str(program), *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = subprocess.run(
        [str(program.with_name("python")), "-c", "import fhir_server; print(fhir_server.__file__)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert str(program.parent.parent) in where
    (tmp_path / "p.json").write_text('{"resourceType":"Patient","id":"p"}')
    assert "Loaded 1 entries" in run("load", "p.json")
    assert "ok    migrations" in run("doctor")
    server = subprocess.Popen(
        [str(program), "serve", "--open", "--port", "0"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stdout
        base = server.stdout.readline().split(" at ")[1].strip()
        check = f"import httpx; print(httpx.get('{base}/Patient/p').json()['id'])"
        assert subprocess.check_output([sys.executable, "-c", check], text=True).strip() == "p"
    finally:
        server.terminate()
        assert server.wait(60) == 0
        assert server.stdout
        server.stdout.close()
