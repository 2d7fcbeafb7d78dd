"""Cutting BSON without decoding it says the same as decoding it."""

from __future__ import annotations

import bson
import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.store.splice import scalars, with_identity

NAMES = st.sampled_from(["v", "u", "m", "raw", "x", "f", "k", "r", "d", "é"])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.binary(max_size=300),
    st.just(ObjectId("0123456789abcdef01234567")),
)
NESTED = st.one_of(
    st.lists(st.one_of(SCALARS, st.dictionaries(NAMES, SCALARS))), st.dictionaries(NAMES, SCALARS)
)
DOCUMENTS = st.builds(
    lambda id_, rest: {"_id": id_, **rest},
    st.text(st.characters(exclude_categories=["Cs"])),
    st.dictionaries(NAMES, st.one_of(SCALARS, NESTED)),
)


@given(DOCUMENTS)
def test_scalars_are_the_fields_that_are_no_lists_and_no_objects(document):
    plain = {name: one for name, one in document.items() if not isinstance(one, list | dict)}
    found = scalars(bson.encode(document))
    assert found == plain
    assert list(found) == list(plain)


@given(DOCUMENTS)
def test_another_identity_leaves_the_rest_as_it_is(document):
    rest = {name: one for name, one in document.items() if name != "_id"}
    expected = {"_id": "é/0000000001", "i": document["_id"], **rest}
    assert with_identity(bson.encode(document), "é/0000000001") == bson.encode(expected)


def test_only_a_string_is_an_id():
    with pytest.raises(ValueError, match="_id"):
        with_identity(bson.encode({"_id": 1}), "a")
