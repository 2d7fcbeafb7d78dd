"""The index page: what this server is and where its doors are."""

from __future__ import annotations

from functools import lru_cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from fhir_server import __version__
from fhir_server.dispatch import ROUTES
from fhir_server.fhir.definitions import Definitions
from fhir_server.operations.table import OPERATIONS
from fhir_server.settings import Settings


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("fhir_server.web"), autoescape=True, undefined=StrictUndefined
    )


def index_page(settings: Settings, definitions: Definitions) -> str:
    """The page as HTML, without scripts and without anything from another host."""
    return (
        _environment()
        .get_template("index.html")
        .render(
            base=settings.base,
            version=__version__,
            is_open=settings.access == "open",
            types=len(definitions.resource_types),
            parameters=len(definitions.search_parameters),
            routes=ROUTES,
            operations=OPERATIONS,
        )
    )
