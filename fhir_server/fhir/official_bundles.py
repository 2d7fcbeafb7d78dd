"""The bundles of definitions that R4 4.0.1 was published with: what all that we ship is made from.

A folder holds them as `Bundle-*.json`, plain or `.zst`. https://hl7.org/fhir/R4/downloads.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import zstandard

SUMS = {
    "Bundle-conceptmaps": "3b6a7e9f2a8e2d13fc1ffa1524ede726e8f9122d90fa8e4918de0b1f194d8048",
    "Bundle-extensions": "c7d00de1c0efe5c34e704477f0105e9f2d9fff8c162be04aec8e69517936ce61",
    "Bundle-profiles-others": "37a663a5dabebbda8046092a1403ba3aa16ca39a6e2546ef8ae354877494e9fe",
    "Bundle-resources": "d062516a420265da6d248e1d2b5d2a4aa9709c3c637807fe48e278054dffa114",
    "Bundle-searchParams": "dc5927e3781a5aba26c08821904c4091664b3a40171aba9b01e563e9f7ca85df",
    "Bundle-types": "13d3b9c75a23dd575b6c9cffa9fb5efce3871a4cc9bd8c92671ce1a50c19c064",
    "Bundle-v2-valuesets": "d180cc829f2a95950664d918d1ed9b2a7e9a7423e3f3957e294c3375f146fc00",
    "Bundle-v3-valuesets": "b9e75b6586b61843042e543280a91adc1bdd4d8a2df3427e30fa5f404b004646",
    "Bundle-valueset-expansions": (
        "1e3b4c2cba183cbe97db813c36aee454b0364fe396846647d2a237b309ae984f"
    ),
    "Bundle-valuesets": "8d8fd0894624163296aa84e93c47cbead9b805fd83ec22ac71d45b7e25a86758",
}
"""SHA-256 of each file, unpacked."""


def bundle(folder: Path, name: str) -> dict[str, Any]:
    """The Bundle of that name (`Bundle-types`).

    Raises ValueError on a file that is not the official one, OSError where there is none.
    """
    packed = folder / f"{name}.json.zst"
    if packed.exists():
        raw = zstandard.ZstdDecompressor().stream_reader(packed.read_bytes()).read()
    else:
        raw = (folder / f"{name}.json").read_bytes()
    if hashlib.sha256(raw).hexdigest() != SUMS[name]:
        raise ValueError(
            f"{name}.json is not the file of R4 4.0.1: its SHA-256 is not {SUMS[name]}"
        )
    found: dict[str, Any] = msgspec.json.decode(raw)
    return found


def resources(folder: Path, *names: str) -> Iterator[dict[str, Any]]:
    """The resources of the bundles named, in their order. Raises as `bundle`."""
    for name in names:
        for entry in bundle(folder, name)["entry"]:
            yield entry["resource"]
