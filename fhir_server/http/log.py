"""Structured logs of requests: what was done and how it went, never whose record it was."""

from __future__ import annotations

import sys
from typing import Any

import structlog

SLOW_SECONDS = 1.0


def configure() -> None:
    """Write every log line as one JSON object to standard error."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        # Not kept after its first use: lines are few, and whoever captures them must get them.
        cache_logger_on_first_use=False,
    )


log: Any = structlog.get_logger("fhir_server")


def log_request(
    *, interaction: str, type_: str, status: int, seconds: float, request_id: str, always: bool
) -> None:
    """One line for a request that failed in the server or was slow, or for each if `always`.

    The path and the query are left out: ids and search values are health data.
    """
    failed = status >= 500
    slow = seconds >= SLOW_SECONDS
    if not (always or failed or slow):
        return
    line = log.error if failed else log.warning if slow else log.info
    line(
        "request",
        interaction=interaction,
        type=type_,
        status=status,
        milliseconds=round(seconds * 1000, 1),
        request_id=request_id,
    )
