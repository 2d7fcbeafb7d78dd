"""What is printed at the end of `fhir-server load`."""

from __future__ import annotations

from itertools import islice

from fhir_server.cli.console import err, out
from fhir_server.loading import watch
from fhir_server.loading.report import Report
from fhir_server.settings import Settings

MOST_NAMED = 50
"""Files that are named at the end of a load that stopped, of those that are not all in."""


def tell(report: Report) -> None:
    """Print what was loaded and, on standard error, each failure with its reasons."""
    out.print(
        f"Loaded {report.entries:,} entries of {report.files:,} files "
        f"in {report.seconds:.1f} s ({report.rate:,.0f}/s)",
    )
    for failure in report.failures:
        where = f"{failure.file} {failure.place}".strip()
        status = f" answered {failure.status}" if failure.status else ""
        err.print(f"{where}{status}", style="red", markup=False)
        for reason in failure.reasons:
            err.print(f"    {reason}", markup=False)
    for file, count in report.untold.items():
        err.print(f"{file}: {count:,} more that are only counted", style="red", markup=False)
    if report.failed:
        err.print(f"{report.failed:,} failed; what is above was not loaded.", style="red")
    if report.stopped:
        _tell_unfinished(report.unfinished)


def stopped(report: Report, settings: Settings) -> str:
    """What a load that stopped came to, and what to do next; the settings are those asked for."""
    if settings.mongodb_uri:
        remedy = "Start it"
    else:
        log = settings.data / "mongod" / "log"
        remedy = f"Its log is {log}. Start the server again if one works on this folder"
    return (
        f"The database has not answered for {watch.PATIENCE:.0f} seconds, so the load stopped "
        f"with {report.files - len(report.unfinished):,} of {report.files:,} files done. "
        f"{remedy}, then run the same command again."
    )


def _tell_unfinished(files: dict[str, int]) -> None:
    err.print("Not loaded, or only in part:", style="red")
    for file, line in islice(files.items(), MOST_NAMED):
        err.print(f"    {file}" + (f" from line {line:,} on" if line > 1 else ""), markup=False)
    if len(files) > MOST_NAMED:
        err.print(f"    and {len(files) - MOST_NAMED:,} more")
