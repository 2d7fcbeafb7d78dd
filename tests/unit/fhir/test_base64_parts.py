"""Base64 in parts: the same as at once, wherever the parts end."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator

import pytest

from fhir_server.fhir.base64_parts import Encoder, decoded, letters_of, take_apart

CONTENT = bytes(range(250))


async def cut(text: bytes, width: int) -> AsyncIterator[bytes]:
    for at in range(0, len(text), width):
        yield text[at : at + width]


@pytest.mark.parametrize("length", [0, 1, 2, 3, 4, 250])
@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 100, 300])
def test_encoding_in_parts_is_encoding_at_once(length: int, width: int) -> None:
    encoder, content = Encoder(), CONTENT[:length]
    parts = [encoder.encode(content[at : at + width]) for at in range(0, length, width)]
    assert b"".join([*parts, encoder.end()]) == b64encode(content)


@pytest.mark.parametrize("width", [1, 3, 4, 7, 64, 400])
@pytest.mark.parametrize(("first", "end"), [(0, 250), (0, 1), (1, 2), (2, 249), (3, 6), (249, 250)])
async def test_any_bytes_are_decoded_from_their_letters(width: int, first: int, end: int) -> None:
    begin, stop = letters_of(first, end)
    assert stop - begin < (end - first) // 3 * 4 + 9
    letters = cut(b64encode(CONTENT)[begin:stop], width)
    found = b"".join([part async for part in decoded(letters, first - begin // 4 * 3, end - first)])
    assert found == CONTENT[first:end]


@pytest.mark.parametrize("length", [1, 2, 3, 250])
def test_a_binary_is_taken_apart_and_comes_together_again(length: int) -> None:
    data = b64encode(CONTENT[:length])
    raw = b'{"resourceType":"Binary","data":"%b","contentType":"a/b"}' % data
    apart = take_apart(raw)
    assert apart is not None
    assert apart.outline == b'{"resourceType":"Binary","data":"","contentType":"a/b"}'
    assert apart.outline[: apart.at] + apart.data + apart.outline[apart.at :] == raw
    assert (apart.data, apart.size) == (data, length)


@pytest.mark.parametrize("data", [b"QUJD QUJD", b"QUJD\\nQUJD", b"QQ==QUJD", b"QUJ", rb"QU\/D"])
def test_other_spellings_of_base64_stay_where_they_are(data: bytes) -> None:
    assert take_apart(b'{"resourceType":"Binary","data":"%b"}' % data) is None
    assert take_apart(b'{"resourceType":"Binary"}') is None
