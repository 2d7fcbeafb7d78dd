"""Which address a request comes from, when our own proxies stand before the server."""

from __future__ import annotations

from starlette.requests import Request


def address_of(request: Request, proxies: tuple[str, ...]) -> str:
    """The address of whoever asks; `unknown` where there is none.

    A proxy that is trusted is believed about the address before it, and about no more: the header
    is read from its end, for its beginning is whatever the caller wrote.
    """
    address = request.client.host if request.client else "unknown"
    told = ",".join(request.headers.getlist("x-forwarded-for"))  # some proxies add a line
    hops = [hop.strip() for hop in told.split(",")]
    while address in proxies and hops and hops[-1]:
        address = hops.pop()
    return address
