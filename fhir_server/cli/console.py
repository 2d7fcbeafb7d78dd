"""What the command line prints: answers to standard output, everything else to standard error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import ValidationError
from rich.console import Console

from fhir_server.errors import FhirError
from fhir_server.settings import Settings

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


class Failed(Exception):
    """A command cannot go on; the text is one line that says what to do about it."""


@contextmanager
def told() -> Iterator[None]:
    """Turn what a user can mend into one red line and exit status 1, without a traceback."""
    try:
        yield
    except (Failed, FhirError) as error:
        lines = [str(error)]
    except ValidationError as error:
        lines = [_setting(fault["loc"], fault["msg"]) for fault in error.errors()]
    else:
        return
    for line in lines:
        err.print(line, style="red", markup=False)
    raise SystemExit(1)


def note(text: str) -> None:
    """One line on standard error that asks for nothing."""
    err.print(text, markup=False)


def warn(text: str) -> None:
    """One bold red line on standard error."""
    err.print(text, style="bold red", markup=False)


def configured(**options: object) -> Settings:
    """The settings of the environment, overridden by the options that were given (not None)."""
    given: dict[str, Any] = {name: v for name, v in options.items() if v is not None}
    return Settings(**given)


def _setting(place: tuple[int | str, ...], message: str) -> str:
    name = "_".join(str(part) for part in place).upper()
    return f"FHIR_{name}: {message}"
