"""The pages themselves: links lead somewhere, records have their parts, addresses stay out."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from fhir_server import __version__

ROOT = Path(__file__).parents[2]
PAGES = sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").rglob("*.md"))
RECORDS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
# In pieces, so that this file is not what it finds.
REGISTRIES = re.compile("|".join(["py" + r"pi\.org", "python" + "hosted", "npm" + r"js\.org"]))


def written() -> list[Path]:
    """The files of the repository that somebody wrote."""
    folders = ("fhir_server", "migrations", "tests", "docs", ".ci")
    found = [path for folder in folders for path in (ROOT / folder).rglob("*")]
    return [
        path
        for path in [*ROOT.iterdir(), *found]
        if path.is_file() and path.suffix not in {".zst", ".gz", ".pyc"}
    ]


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        goal = (page.parent / path).resolve() if path else page
        assert goal.exists(), link
        if anchor:
            assert anchor in anchors(goal), link


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)
def test_a_decision_record_has_its_parts(record):
    text = record.read_text()
    assert re.match(rf"# {record.stem[:4]}: .+\n\nStatus: (Accepted|Superseded by \d{{4}})\n", text)
    parts = re.findall(r"^## (.*)", text, re.MULTILINE)
    assert parts == ["Context", "Decision", "Alternatives", "Consequences"]
    assert len(text.splitlines()) <= 60


def test_decision_records_are_numbered_and_listed():
    assert [record.stem[:4] for record in RECORDS] == [
        f"{number:04d}" for number in range(1, len(RECORDS) + 1)
    ]
    listed = re.findall(r"\(([^)]+\.md)\)", (ROOT / "docs" / "adr" / "README.md").read_text())
    assert listed == [record.name for record in RECORDS]


def test_no_file_names_a_package_registry():
    files = written()
    assert ROOT / "requirements.lock" in files
    for path in files:
        assert not REGISTRIES.search(path.read_text(errors="ignore")), path


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-server.lock"])
def test_every_requirement_is_pinned_with_hashes(name):
    lock = (ROOT / name).read_text()
    requirements = re.findall(r"^(\S+==[^\n]*(?:\n {4}--hash=[^\n]*)*)", lock, re.MULTILINE)
    assert len(requirements) > 20
    assert all("--hash=sha256:" in requirement for requirement in requirements)
    assert "://" not in lock


def test_the_changelog_knows_the_version():
    headings = re.findall(r"^## (.*)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased" or headings[0].startswith(__version__)
    kinds = re.findall(r"^### (.*)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert set(kinds) <= {"Added", "Changed", "Fixed", "Removed", "Security"}


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 80


@pytest.mark.parametrize("target", ["demo", "test", "check", "bench", "soak"])
def test_bare_make_lists_every_target(target):
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.search(rf"make {target} +\w", listed)
