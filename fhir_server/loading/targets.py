"""Where requests go: into this server's own store, or to any FHIR server over HTTP."""

from __future__ import annotations

import asyncio

import httpx

from fhir_server.access.grant import Grant
from fhir_server.dispatch import dispatch
from fhir_server.errors import FhirError
from fhir_server.exchange import FHIR_JSON, FhirRequest
from fhir_server.fhir.outcome import outcome_bytes
from fhir_server.loading.submissions import Reply, Send, Submission
from fhir_server.services import Services

ATTEMPTS = 4
_AGAIN = (429, 502, 503, 504)
_HEADERS = {
    "content-type": FHIR_JSON,
    "accept": FHIR_JSON,
    # Records come from elsewhere as they are; R4's own examples have such faults.
    "prefer": "return=minimal, handling=lenient",
}


GRANT = Grant.system("load: files of the operator")


def request_for(submission: Submission, services: Services) -> FhirRequest:
    """The request that this server understands by it."""
    return FhirRequest(
        submission.method,
        submission.path,
        GRANT,
        services.settings.base,
        headers=_HEADERS,
        body=submission.body,
    )


def direct(services: Services) -> Send:
    """Through the same dispatch as every request, in this process, without HTTP."""

    async def send(submission: Submission) -> Reply:
        try:
            response = await dispatch(request_for(submission, services), services)
        except FhirError as error:
            return Reply(error.status, outcome_bytes(error.issues))
        body = response.body
        if response.stream is not None:
            body = b"".join([part async for part in response.stream])
        return Reply(response.status, body)

    return send


def remote(client: httpx.AsyncClient, base: str) -> Send:
    """To the FHIR server at `base`; asked again, later, where it says that it is overloaded.

    Raises httpx.HTTPError where it cannot be reached.
    """

    async def send(submission: Submission) -> Reply:
        url = f"{base}/{submission.path}".rstrip("/")
        for attempt in range(1, ATTEMPTS + 1):
            response = await client.request(
                submission.method, url, content=submission.body, headers=_HEADERS
            )
            if response.status_code not in _AGAIN or attempt == ATTEMPTS:
                break
            await asyncio.sleep(_pause(response.headers.get("retry-after", ""), attempt))
        return Reply(response.status_code, response.content)

    return send


def _pause(retry_after: str, attempt: int) -> float:
    return min(float(retry_after), 60.0) if retry_after.isdigit() else 0.5 * 2**attempt
