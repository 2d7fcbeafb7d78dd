"""From a template to an answer: language, cookies, and what browsers may do with the page."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse, Response

from fhir_server.smart.sessions import form_token
from fhir_server.web.languages import LANGUAGES, NAMES, shown_day
from fhir_server.web.messages import message
from fhir_server.web.visit import Visit

_SAFE = {
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The templates of this package; an unknown name in one is an error."""
    return Environment(
        loader=PackageLoader("fhir_server.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def page(
    visit: Visit,
    template: str,
    *,
    status: int = 200,
    script: bool = False,
    forms_to: str = "",
    errors: Mapping[str, str] | None = None,
    **values: Any,
) -> Response:
    """The page in the visitor's language.

    `errors` are messages by the id of the field that they are about ("" for the whole form).
    `script` lets our one script run; `forms_to` is where else the page's forms may lead.
    """
    language = visit.language

    def say(key: str, **given: Any) -> str:
        return message(key, language, **given)

    def day(text: str) -> str:
        return shown_day(text, language)

    html = (
        environment()
        .get_template(template)
        .render(
            **values,
            say=say,
            day=day,
            language=language,
            languages=[(code, NAMES[code], _in_language(visit, code)) for code in LANGUAGES],
            csrf=form_token(visit.token),
            account=visit.account,
            errors={field: say(key) for field, key in (errors or {}).items()},
        )
    )
    script_source = "'self'" if script else "'none'"
    policy = (
        f"default-src 'none'; style-src 'self'; script-src {script_source}; img-src 'self' data:; "
        f"form-action 'self' {forms_to}; frame-ancestors 'none'; base-uri 'none'"
    )
    headers = {**_SAFE, "Content-Security-Policy": policy, "Content-Language": language}
    response = HTMLResponse(html, status, headers=headers)
    visit.leave(response)
    return response


def go(visit: Visit, path: str, **query: str) -> Response:
    """Send the browser to another page (303, so that it asks with GET)."""
    url = f"{path}?{urlencode(query, quote_via=quote)}" if query else path
    response = RedirectResponse(url, 303, headers=_SAFE)
    visit.leave(response)
    return response


def _in_language(visit: Visit, code: str) -> str:
    """The address of the same page in another language."""
    query = [(name, value) for name, value in visit.query if name != "lang"]
    return f"{visit.path}?{urlencode([*query, ('lang', code)], quote_via=quote)}"
