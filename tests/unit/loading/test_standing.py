"""How far a file of lines is in: told by the lots that are under way, failed or done."""

from __future__ import annotations

from fhir_server.loading.standing import Standing


def test_the_first_line_that_may_be_missing_is_that_of_the_first_lot_under_way():
    standing = Standing()
    assert standing.first is None
    for line in (1, 257, 513):
        standing.begin(line)
    standing.end(257, interrupted=False)
    assert standing.first == 1
    standing.end(1, interrupted=False)
    assert standing.first == 513
    standing.end(513, interrupted=False)
    assert standing.first is None


def test_a_lot_that_was_interrupted_is_never_in():
    standing = Standing()
    for line in (1, 257, 513):
        standing.begin(line)
    standing.end(513, interrupted=True)
    standing.end(257, interrupted=True)
    assert standing.first == 1
    standing.end(1, interrupted=False)
    assert standing.first == 257
