"""Regular expressions of FHIRPath, within bounds.

A pattern may be a caller's (a FHIRPath Patch, an invariant of a profile), and there are patterns
that take for ever. Those of FHIR's profiles look ahead and refer back, which no engine of linear
time can do; so time is limited instead. https://hl7.org/fhirpath/N1/#matchesregex-string--boolean
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from functools import lru_cache, partial
from time import thread_time
from typing import Any, NoReturn

import regex

from fhir_server.errors import TooCostly
from fhir_server.fhir.fhirpath.effort import SECONDS, effort
from fhir_server.fhir.fhirpath.errors import ExecutionFault
from fhir_server.fhir.fhirpath.operators import check_length

_parser: Any = re._parser  # type: ignore[attr-defined]
_constants: Any = re._constants  # type: ignore[attr-defined]

LONGEST = 5_000
"""Characters of a pattern."""

MOST_PARTS = 10_000
"""Parts of a pattern, repetitions written out: the engine writes them out too."""

_FLAGS = {"i": regex.IGNORECASE, "m": regex.MULTILINE}
_GROUP = re.compile(r"\$(?:([0-9]+)|\{([A-Za-z_][A-Za-z0-9_]*)\}|(\$))")
_REPETITIONS = (_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT)

Match = regex.Match[str]


def search(value: str, source: str, flags: str = "") -> bool:
    """Whether a part of the text matches. ExecutionFault for no pattern, TooCostly for a long one.

    `flags` are i and m; `.` matches line ends too.
    """
    return bool(_within(source, partial(_pattern(source, flags).search, value)))


def full_match(value: str, source: str, flags: str = "") -> bool:
    """Whether the whole text matches; as `search` otherwise."""
    return bool(_within(source, partial(_pattern(source, flags).fullmatch, value)))


def substitute(value: str, source: str, substitution: str, flags: str = "") -> str:
    """The text with every match replaced, where `$1` and `${name}` stand for groups.

    Raises as `search`.
    """
    if not source:
        return value

    length = len(value)

    def expand(match: Match) -> str:
        nonlocal length
        made = _GROUP.sub(partial(_group, match), substitution)
        length += len(made)
        check_length(length)
        return made

    return str(_within(source, partial(_pattern(source, flags).sub, expand, value)))


def _group(match: Match, reference: re.Match[str]) -> str:
    if reference.group(3):
        return "$"
    name: Any = reference.group(2) or int(reference.group(1))
    try:
        return match.group(name) or ""
    except IndexError:
        return reference.group()


def _within(source: str, run: Callable[..., Any]) -> Any:
    left = effort()
    if left.seconds <= 0:
        _too_costly(source)
    began = thread_time()
    try:
        return run(timeout=left.seconds)
    except TimeoutError:
        _too_costly(source)
    finally:
        left.seconds -= thread_time() - began


def _too_costly(source: str) -> NoReturn:
    raise TooCostly(
        f"The regular expression '{source[:80]}' takes too long: {SECONDS} seconds are given to "
        "all of a request. Repetitions inside repetitions, such as (a|aa)+, are the usual cause"
    ) from None


@lru_cache(maxsize=512)
def _pattern(source: str, flags: str) -> regex.Pattern[str]:
    mode = regex.VERSION0 | regex.DOTALL
    for flag in flags:
        if flag not in _FLAGS:
            raise ExecutionFault(f"'{flag}' is no flag of a regular expression; i and m are")
        mode |= _FLAGS[flag]
    if len(source) > LONGEST:
        raise TooCostly(f"A regular expression has {LONGEST} characters at most")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # about sets that begin with [[
            parsed = _parser.parse(re.sub(r"\(\?<(?![=!])", "(?P<", source))
            if _parts(parsed) > MOST_PARTS:
                raise TooCostly(
                    f"The regular expression '{source[:80]}' is too large with its repetitions "
                    f"written out: {MOST_PARTS} parts are the most"
                )
            return regex.compile(source, mode)
    except (re.error, regex.error, RecursionError, OverflowError) as error:
        raise ExecutionFault(f"'{source[:80]}' is no regular expression: {error}") from None


def _parts(parsed: Any) -> int:
    """How many single parts a parsed pattern has when what must repeat is written out."""
    total = 0
    for operator, argument in parsed:
        if operator in _REPETITIONS:
            total += max(1, argument[0]) * _parts(argument[2])
        elif operator is _constants.BRANCH:
            total += sum(map(_parts, argument[1]))
        else:
            inner = argument if isinstance(argument, list | tuple) else [argument]
            total += 1 + sum(_parts(one) for one in inner if isinstance(one, _parser.SubPattern))
    return total
