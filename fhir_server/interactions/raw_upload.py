"""A raw Binary on its way in: what a document holds is gathered, more goes to its file at once.

https://hl7.org/fhir/R4/binary.html#rest
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

from fhir_server.errors import FhirError, Unavailable
from fhir_server.exchange import FhirRequest, FhirResponse
from fhir_server.interactions.content import JSON, XML, media_type
from fhir_server.services import Services
from fhir_server.store.blobs import LARGE
from fhir_server.store.uploads import Upload

WRITES = frozenset(("create", "update", "conditional-update"))
GATHERED = LARGE // 4 * 3
"""Bytes of content that base64 makes as long as what a document holds."""

Handler = Callable[[FhirRequest, Services], Awaitable[FhirResponse]]


def is_raw_upload(code: str, request: FhirRequest) -> bool:
    """Whether the body is to become the data of a Binary. Raises UnsupportedMediaType."""
    if request.target.type != "Binary" or code not in WRITES:
        return False
    media = media_type(request)
    return bool(media) and media not in JSON and media not in XML


async def write_raw(
    request: FhirRequest, parts: AsyncIterator[bytes], handler: Handler, services: Services
) -> FhirResponse:
    """The handler's answer to the request whose body comes in these parts.

    Of a body that does not become whole, or that no resource came to have, nothing is left. Raises
    TooLarge beyond what is stored, and whatever `parts` and the handler raise.
    """
    upload = await _received(request, parts, services)
    if upload is None:
        return await handler(request, services)
    request.upload = upload
    try:
        response = await handler(request, services)
    except Unavailable:
        raise  # it may have been written all the same: the sweep looks again
    except FhirError:
        await upload.release()
        raise
    await upload.release()
    return response


async def _received(
    request: FhirRequest, parts: AsyncIterator[bytes], services: Services
) -> Upload | None:
    """The content in its file; None where the request's body has it all."""
    held: deque[bytes] = deque()
    size = 0
    async for part in parts:
        held.append(part)
        size += len(part)
        if size > GATHERED:
            break
    else:
        request.body = b"".join(held)
        return None
    upload = await services.store.upload()
    try:
        while held:
            await upload.write(held.popleft())
        async for part in parts:
            await upload.write(part)
        await upload.close()
    except BaseException:
        await upload.abort()
        raise
    return upload
