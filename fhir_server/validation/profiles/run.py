"""What one validation against profiles knows: where resources are, and what was seen already."""

from __future__ import annotations

from typing import Any

from fhir_server.validation.rule import Holder

__all__ = ["Run"]


class Run(Holder):
    """Adds the Bundle that holds everything, and the answers of nested questions."""

    def __init__(self, resource: dict[str, Any], bundle: dict[str, Any] | None = None) -> None:
        Holder.__init__(self, resource)
        self.bundle = bundle
        if bundle is None and resource.get("resourceType") == "Bundle":
            self.bundle = resource
        self.answers: dict[tuple[int, str], bool] = {}
        """(id of a value, profile) -> whether it conforms; True while that is being asked."""
        self.entry: dict[str, Any] | None = None

    def aside(self) -> Run:
        """A run for a question whose faults are not told, such as which slice a value is of."""
        other = Run(self.container, self.bundle)
        other.resource = self.resource
        other.answers = self.answers
        return other

    def resolve(self, reference: str) -> dict[str, Any] | None:
        """What a reference points at inside the resource or its Bundle; None where not there.

        https://hl7.org/fhir/R4/bundle.html#references
        """
        if reference.startswith("#"):
            return self.contained(reference[1:]) if len(reference) > 1 else self.container
        if self.bundle is None:
            return None
        plain = reference.partition("/_history/")[0]
        for entry in self.bundle.get("entry", ()):
            resource = entry.get("resource")
            url = entry.get("fullUrl", "")
            if type(resource) is dict and (
                url == plain
                or plain == f"{resource.get('resourceType')}/{resource.get('id')}"
                or (url.endswith(f"/{plain}") and ":" not in plain)
            ):
                return resource
        return None
