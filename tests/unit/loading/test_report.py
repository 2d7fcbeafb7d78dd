"""Reports: the first failures are kept, those after them are counted by file."""

from __future__ import annotations

from fhir_server.loading.report import MOST_REASONS, Failure, Report


def failure(file: str, *reasons: str) -> Failure:
    return Failure(file, "", 422, reasons or ("no",))


def failed(file: str, times: int) -> Report:
    report = Report(1)
    for _ in range(times):
        report.fail(failure(file))
    return report


def test_the_first_failures_are_kept_and_the_others_counted():
    report = failed("a", MOST_REASONS + 5)
    report.fail(failure("b"))
    assert len(report.failures) == MOST_REASONS
    assert report.untold == {"a": 5, "b": 1}
    assert report.failed == MOST_REASONS + 6


def test_a_failure_of_many_reasons_counts_for_as_many():
    report = Report(1)
    for _ in range(3):
        report.fail(failure("a", *["no"] * (MOST_REASONS // 2)))
    assert len(report.failures) == 2
    assert report.failed == 3


def test_what_others_kept_or_counted_is_added_within_the_same_bound():
    report = failed("a", MOST_REASONS - 10)
    report.add(failed("b", MOST_REASONS + 7))
    assert len(report.failures) == MOST_REASONS
    assert report.failures[-10] == failure("b")
    assert report.untold == {"b": MOST_REASONS - 10 + 7}
    assert report.failed == 2 * MOST_REASONS - 3
