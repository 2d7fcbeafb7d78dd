"""Keys over https: the name is resolved by us, and the certificate must still be of the name."""

from __future__ import annotations

import asyncio
import datetime
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fhir_server.smart.client_keys import ClientKeys
from fhir_server.smart.errors import InvalidClient
from tests.unit.smart.test_client_keys import Clock, Publisher, published_at


def certificate(folder, name):
    """The path of a file with a key and a certificate of that name."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = folder / f"{name}.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.mark.parametrize(("name", "good"), [("localhost", True), ("other.example.org", False)])
async def test_s56_the_certificate_must_be_of_the_name(tmp_path, name, good):
    path = certificate(tmp_path, name)
    mine = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    mine.load_cert_chain(path)
    trusting = ssl.create_default_context(cafile=str(path))
    publisher = Publisher()
    server = await asyncio.start_server(publisher, "127.0.0.1", 0, ssl=mine)
    async with server:
        url = f"https://localhost:{server.sockets[0].getsockname()[1]}/jwks"
        for verify, expected in ((trusting, good), (True, False)):
            keys = ClientKeys(Clock(), test_http=True, verify=verify)
            if expected:
                assert [key["kid"] for key in await keys.of(published_at(url), "one")] == ["one"]
            else:
                with pytest.raises(InvalidClient):
                    await keys.of(published_at(url), "one")
    assert publisher.asked == (1 if good else 0)
