"""Nothing that opens a record is ever logged: S-68 of the checklist."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from tests.api.smart import SECRET, App, bearer, claims_of


@pytest.fixture
def smart_settings(smart_settings):
    return {**smart_settings, "log_requests": True}


async def test_s68_no_token_code_or_secret_is_logged(http):
    secrets = [SECRET]
    with capture_logs() as lines:
        for client in ("public", "symmetric", "asymmetric"):
            app = App(http, client)
            code = await app.code()
            tokens = (await app.redeem(code)).json()
            await app.redeem(code)
            await app.refresh(tokens["refresh_token"])
            await app.post("introspect", token=tokens["access_token"])
            await app.post("revoke", token=tokens["access_token"])
            await http.get("Patient", headers=bearer(tokens["access_token"]))
            await http.get("Patient", params={"access_token": tokens["access_token"]})
            secrets += [code, app.verifier, tokens["refresh_token"], tokens["access_token"]]
            secrets += [tokens["id_token"], claims_of(tokens["access_token"])[1]["jti"]]
    assert lines
    for secret in secrets:
        assert secret not in repr(lines)
