"""A check of a profile: one value of an element -> its faults, and how several become one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fhir_server.validation.faults import Faults
from fhir_server.validation.profiles.items import Item
from fhir_server.validation.profiles.run import Run

__all__ = ["Test", "add", "every"]

Test = Callable[[Item, Run], Faults]
"""One value of an element -> faults, their places below that value."""


def add(faults: Faults, found: Faults) -> Faults:
    """Both, where None is no fault."""
    if faults is None or found is None:
        return found if faults is None else faults
    return faults + found


def every(tests: Sequence[Test]) -> Test | None:
    """All of the tests as one; None where there are none."""
    if not tests:
        return None
    if len(tests) == 1:
        return tests[0]

    def test(item: Item, run: Run) -> Faults:
        faults: Faults = None
        for one in tests:
            faults = add(faults, one(item, run))
        return faults

    return test
