"""Python's search for garbage, in processes that keep large tables for as long as they live."""

from __future__ import annotations

import gc

YOUNG = 20_000
"""So many new containers are there before they are looked through. A page of results makes some
hundreds that are gone at once: a search that comes later finds fewer of them to look at."""


def spare_tables() -> None:
    """Leave what is in memory now out of every later search for garbage.

    Called once the tables are read (FHIR's definitions alone are 150,000 objects): to look through
    them takes a tenth of a second, in which the process answers nobody, and finds nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])
