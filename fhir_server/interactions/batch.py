"""FHIR batch interaction. https://hl7.org/fhir/R4/http.html#transaction

Entries are independent: each is answered as if it had come alone, several of one kind at a time.
References from one entry to another are kept as they were sent.
"""

from __future__ import annotations

import asyncio

import structlog

from fhir_server.errors import FhirError, ServerFault
from fhir_server.exchange import FhirRequest, FhirResponse
from fhir_server.fhir import bundle as bundles
from fhir_server.interactions.bundle_entries import Dispatch, Entry, RequestBundle
from fhir_server.interactions.entry_answer import answer_entry, refusal_entry
from fhir_server.interactions.entry_content import as_request
from fhir_server.services import Services

ORDER = ("DELETE", "POST", "PUT PATCH", "GET HEAD")
"""The kinds of requests, one after the other, as in a transaction."""

AT_ONCE = 16
"""Entries under way at a time: enough for their writes to be stored together."""

_log = structlog.get_logger()


async def batch(
    bundle: RequestBundle, request: FhirRequest, services: Services, dispatch: Dispatch
) -> FhirResponse:
    """200 with a batch-response: each entry's own answer or outcome, in the sender's order."""
    answers: dict[int, bytes] = {}
    turns = asyncio.Semaphore(AT_ONCE)

    async def run(entry: Entry) -> None:
        async with turns:
            answers[entry.index] = await _answer(entry, request, services, dispatch)

    for methods in ORDER:
        kind = [entry for entry in bundle.entries if entry.request.method in methods.split()]
        await asyncio.gather(*(run(entry) for entry in kind))
    entries = [answers[entry.index] for entry in bundle.entries]
    return FhirResponse(200, bundles.response("batch-response", entries))


async def _answer(
    entry: Entry, request: FhirRequest, services: Services, dispatch: Dispatch
) -> bytes:
    try:
        return await answer_entry(
            await dispatch(as_request(entry, request), services), entry.request.method
        )
    except FhirError as error:
        return refusal_entry(error)
    except Exception:
        # The others may have been carried out already: they must be told.
        _log.exception("batch entry failed", entry=entry.index, request_id=request.request_id)
        return refusal_entry(ServerFault("The server failed at this entry; the log says why"))
