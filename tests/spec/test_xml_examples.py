"""Every official example goes from JSON to XML and back and is the same, to the letter."""

from __future__ import annotations

import tarfile
from typing import Any

from fhir_server.fhir import codec, narrative, xml
from tests.oracles import shared


def _sorted(value: Any) -> Any:
    """The value with the properties of its objects in order, since XML has an order of its own."""
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def test_the_official_examples_survive_xml() -> None:
    seen = 0
    with tarfile.open(shared("data/spec-examples/spec-examples.tar.gz")) as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is None or not member.name.endswith(".json"):
                continue
            resource = codec.decode(file.read())
            for pretty in (False, True):
                back = xml.from_xml(xml.to_xml(resource, pretty=pretty))
                assert codec.encode(_sorted(back)) == codec.encode(_sorted(resource)), member.name
            div = resource.get("text", {}).get("div")
            assert div is None or narrative.faults(div) == [], member.name
            seen += 1
    assert seen == 319
