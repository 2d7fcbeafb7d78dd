"""What became of a load: how much is in, what failed and why, which files are not all in."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import NamedTuple

MOST_REASONS = 1_000
"""Reasons of failures that are kept; failures after these are counted by file."""


class Failure(NamedTuple):
    """What could not be loaded: file, place in it (may be empty), status (0: none), reasons."""

    file: str
    place: str
    status: int
    reasons: tuple[str, ...]


@dataclass
class Report:
    """What became of a load: `entries` loaded, of `files`, in `seconds`.

    `failures` are the first ones, `untold` how many more there were of each file: a load in which
    everything fails takes no more memory than any other. `interrupted` says that something failed
    for a reason that passes, such as a database that is away. Where the load was `stopped` by that,
    `unfinished` has the files that are not all in, and the line from which on (0: not known).
    """

    files: int
    entries: int = 0
    seconds: float = 0.0
    failures: list[Failure] = field(default_factory=list)
    untold: Counter[str] = field(default_factory=Counter)
    interrupted: bool = False
    stopped: bool = False
    unfinished: dict[str, int] = field(default_factory=dict)
    _reasons: int = field(default=0, init=False, repr=False)

    @property
    def rate(self) -> float:
        """Entries per second."""
        return self.entries / self.seconds if self.seconds else 0.0

    @property
    def failed(self) -> int:
        """How many failures there were, also those that were only counted."""
        return len(self.failures) + self.untold.total()

    def fail(self, failure: Failure) -> None:
        """Keep a failure, or count it where enough are kept."""
        self.interrupted |= failure.status == HTTPStatus.SERVICE_UNAVAILABLE
        if self._reasons < MOST_REASONS:
            self.failures.append(failure)
            self._reasons += len(failure.reasons)
        else:
            self.untold[failure.file] += 1

    def add(self, other: Report) -> None:
        """Count what another load did of the same files."""
        self.entries += other.entries
        for failure in other.failures:
            self.fail(failure)
        self.untold += other.untold
        self.interrupted |= other.interrupted
