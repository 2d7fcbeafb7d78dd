"""`fhir-server validate`: files of resources against R4 and profiles, without a database."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from fhir_server.cli.console import Failed, err, out
from fhir_server.errors import FhirError, Issue
from fhir_server.fhir import codec, definitions
from fhir_server.fhir.xml import from_xml
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
    faulty = count = 0
    with tempfile.TemporaryDirectory(prefix="fhir-validate-") as scratch:
        try:
            files = find(paths, Path(scratch))
        except UnknownFile as error:
            raise Failed(str(error)) from None
        if not files:
            raise Failed("There is nothing to validate under these paths")
        for file in files:
            for place, issues in _validated(file, validator, profile or []):
                count += 1
                faulty += has_errors(issues)
                _tell(f"{file.name}{place}", issues, quiet)
    text = f"{count:,} validated, {faulty:,} with errors"
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
) -> list[tuple[str, list[Issue]]]:
    """The issues of each resource of a file, with its line where there are many."""
    with file.open() as content:
        body = content.read()
    bodies = [("", body)]
    if file.kind == ".ndjson":
        lines = enumerate(body.splitlines(), 1)
        bodies = [(f":{number}", line) for number, line in lines if line.strip()]
    found = []
    for place, one in bodies:
        try:
            resource: Any = from_xml(one) if file.kind == ".xml" else codec.decode(one)
            found.append((place, validator.validate(resource, profiles=profiles)))
        except FhirError as error:
            found.append((place, list(error.issues)))
    return found


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
