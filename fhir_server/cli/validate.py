"""`fhir-server validate`: files of resources against R4 and profiles, without a database."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from fhir_server.cli.console import Failed, err, out
from fhir_server.errors import FhirError, Issue
from fhir_server.fhir import codec, definitions
from fhir_server.fhir.xml import from_xml
from fhir_server.loading.content import Content, Unreadable
from fhir_server.loading.files import File, UnknownFile, find
from fhir_server.validation import FOLLOWED, Validator
from fhir_server.validation.packages import PackageFault, read_package
from fhir_server.validation.validator import has_errors

_STYLES = {"fatal": "bold red", "error": "red", "warning": "yellow", "information": "dim"}


def validate(
    paths: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Files, archives or folders.")
    ],
    profile: Annotated[
        list[str] | None, typer.Option(help="Canonical URL of a profile to hold them to.")
    ] = None,
    package: Annotated[
        list[Path] | None, typer.Option(help="Package (.tgz or folder) whose profiles to know.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show errors only.")] = False,
) -> None:
    """Validate resources (JSON, XML, NDJSON): structure, rules, codes, extensions and profiles.

    Exit status 1 if one of them has errors.
    """
    validator = Validator(definitions.load())
    for path in package or ():
        _take_in(path, validator)
    for url in profile or ():
        if validator.compiler.profile(url) is None:
            why = validator.compiler.faulty.get(url, "it is not known; name its --package")
            raise Failed(f"The profile {url} cannot be used: {why}")
    faulty = validated = 0
    with tempfile.TemporaryDirectory(prefix="fhir-validate-") as scratch:
        try:
            files = find(paths, Path(scratch))
        except UnknownFile as error:
            raise Failed(str(error)) from None
        if not files:
            raise Failed("There is nothing to validate under these paths")
        for file in files:
            for place, issues in _validated(file, validator, profile or []):
                validated += 1
                faulty += has_errors(issues)
                _tell(f"{file.name}{place}", issues, quiet)
    text = f"{validated:,} validated, {faulty:,} with errors"
    out.print(text, style="red" if faulty else "green")
    if faulty:
        raise SystemExit(1)


def _take_in(path: Path, validator: Validator) -> None:
    try:
        found = read_package(path)
    except PackageFault as error:
        raise Failed(str(error)) from None
    for one in found.resources:
        if one["resourceType"] in FOLLOWED:
            validator.put(f"{one['resourceType']}/{one['url']}", codec.encode(one))
    for text in found.skipped:
        err.print(f"{found.id}: {text}", style="yellow", markup=False)


def _validated(
    file: File, validator: Validator, profiles: list[str]
) -> Iterator[tuple[str, list[Issue]]]:
    """The issues of each resource of a file, with its line where there may be many.

    The last of them is the fault at which the file cannot be read any further, if there is one.
    """
    place = ""
    with file.open() as content:
        try:
            for place, body in _bodies(file.kind, content):
                try:
                    resource: Any = from_xml(body) if file.kind == ".xml" else codec.decode(body)
                    yield place, validator.validate(resource, profiles=profiles)
                except FhirError as error:
                    yield place, list(error.issues)
        except Unreadable as fault:
            after = f"After line {place[1:]}: " if place else ""
            yield "", [Issue("fatal", "structure", f"{after}{fault}")]


def _bodies(kind: str, content: Content) -> Iterator[tuple[str, bytes]]:
    if kind != ".ndjson":
        yield "", content.read()
        return
    for number, line in enumerate(iter(content.readline, b""), 1):
        if line.strip():
            yield f":{number}", line


def _tell(name: str, issues: list[Issue], quiet: bool) -> None:
    shown = [i for i in issues if not quiet or i.severity in ("fatal", "error")]
    word = "[red]errors[/red]" if has_errors(issues) else "[green]valid[/green]"
    out.print(f"{escape(name)}  {word}")
    if not shown:
        return
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 2))
    for _ in range(3):
        table.add_column(overflow="fold")
    for issue in shown:
        style = _STYLES.get(issue.severity, "")
        place = ", ".join(issue.expression)
        table.add_row(
            f"[{style}]{issue.severity}[/{style}]", escape(place), escape(issue.diagnostics)
        )
    out.print(table)
