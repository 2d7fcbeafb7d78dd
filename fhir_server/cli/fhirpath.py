"""`fhir-server fhirpath`: what an expression gives on a resource."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from fhir_server.cli.console import Failed
from fhir_server.fhir import codec
from fhir_server.fhir.fhirpath import evaluate
from fhir_server.fhir.xml import from_xml


def fhirpath(
    expression: Annotated[str, typer.Argument(help="A FHIRPath expression.")],
    file: Annotated[
        Path,
        typer.Argument(help="A resource in JSON or XML; - is standard input.", allow_dash=True),
    ],
) -> None:
    """Print what a FHIRPath expression gives on a resource, as a JSON array."""
    try:
        body = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise Failed(f"{file} cannot be read: {error.strerror}") from None
    resource = from_xml(body) if body.lstrip()[:1] == b"<" else codec.decode(body)
    result = codec.pretty(codec.encode(evaluate(expression, resource)))
    sys.stdout.write(result.decode() + "\n")
