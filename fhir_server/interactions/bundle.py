"""FHIR batch and transaction: one Bundle at the base. https://hl7.org/fhir/R4/http.html#transaction"""

from __future__ import annotations

from fhir_server.errors import MalformedRequest
from fhir_server.exchange import FhirRequest, FhirResponse
from fhir_server.interactions.answer import returned
from fhir_server.interactions.batch import batch
from fhir_server.interactions.bundle_entries import Dispatch, open_bundle
from fhir_server.interactions.transaction import transaction
from fhir_server.services import Services


async def submit(request: FhirRequest, services: Services, dispatch: Dispatch) -> FhirResponse:
    """200 with a batch-response or transaction-response, its entries in the sender's order.

    `dispatch` answers one request in process. Raises MalformedRequest for other Bundles, and what
    a transaction raises.
    """
    returned(request)
    bundle = await open_bundle(request, services)
    if bundle.type == "batch":
        return await batch(bundle, request, services, dispatch)
    if bundle.type == "transaction":
        return await transaction(bundle, request, services, dispatch)
    raise MalformedRequest(
        f"A Bundle of type {bundle.type[:40]} cannot be sent to the base; batch and transaction "
        "can, and any Bundle can be stored by POST to Bundle",
        expression="Bundle.type",
    )
