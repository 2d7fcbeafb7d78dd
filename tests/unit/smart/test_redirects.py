"""Redirect URIs: what may be registered, and what is a registered one."""

from __future__ import annotations

import pytest

from fhir_server.smart.redirects import fault, is_registered, origin


@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example.org/callback",
        "https://app.example.org/callback?a=b",
        "https://app.example.org:8443/",
        "http://127.0.0.1/callback",
        "http://localhost:4000/",
        "http://[::1]:4000/",
        "org.example.app:/callback",
    ],
)
def test_these_may_be_registered(uri):
    assert fault(uri) is None


@pytest.mark.parametrize(
    "uri",
    [
        *("", "callback", "/callback", "https:///callback", "http://app.example.org/"),
        *("https://app.example.org/#x", "https://app.example.org/#", "https://*.example.org/"),
        *("https://user@app.example.org/", "https://app.example.org\\@evil.example.org/"),
        *("javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "app:/callback"),
        *("https://app.example.org/\n", "https://app.example.org/ x", "https://é.example.org/"),
        *("https://[::1", "https://app.example.org:x/", "//app.example.org/", "ftp://a.b/"),
    ],
)
def test_these_may_not(uri):
    assert fault(uri)


def test_the_comparison_is_to_the_letter():
    known = ["https://app.example.org/callback"]
    assert is_registered("https://app.example.org/callback", known)
    for other in (
        "https://app.example.org/callback/",
        "https://app.example.org/Callback",
        "https://APP.example.org/callback",
        "https://app.example.org/callback?",
        "https://app.example.org/./callback",
        "https://app.example.org.evil.example/callback",
        "",
    ):
        assert not is_registered(other, known)
    assert not is_registered("https://app.example.org/callback", [])


def test_a_port_that_was_registered_stays():
    assert not is_registered("http://127.0.0.1:2/cb", ["http://127.0.0.1:1/cb"])
    assert is_registered("http://[::1]:2/cb", ["http://[::1]/cb"])
    assert not is_registered("http://localhost:2/cb", ["http://localhost/cb"])


def test_the_origin_is_as_browsers_send_it():
    assert origin("https://app.example.org:8443/callback?x") == "https://app.example.org:8443"
    assert origin("org.example.app:/callback") == ""
