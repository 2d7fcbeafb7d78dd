"""What may be reached from elsewhere."""

from __future__ import annotations

import pytest

from fhir_server.cli.console import Failed
from fhir_server.cli.serve import refuse_exposure
from fhir_server.settings import Settings, is_loopback


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True),
        ("0.0.0.0", False), ("::", False), ("192.168.1.4", False), ("", False),
        ("localhost.example.org", False), ("127.0.0.1.example.org", False),
    ],
)  # fmt: skip
def test_loopback_is_what_only_this_machine_reaches(host, loopback):
    assert is_loopback(host) is loopback


def test_a_closed_server_may_listen_anywhere():
    refuse_exposure(Settings(host="0.0.0.0"))
    with pytest.raises(Failed, match="loopback only"):
        refuse_exposure(Settings(host="0.0.0.0", access="open"))
