"""What is asked, route by route and operation by operation, and what decides the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.callers import CATEGORY, observation
from tests.matrix.callers import EVERYTHING, Caller

JSON_PATCH = "application/json-patch+json"
NOTE = [{"op": "replace", "path": "/status", "value": "amended"}]
LAB_A = observation("lab-a", "a")


@dataclass(frozen=True)
class Asked:
    """One request. `code` is that of its route, or `$name` with its level.

    `needs` are letters on `type`; `target` is what must be seen for `status` to be the answer,
    `hidden` what the answer is else. `writes` is the patient whose record is written into, `found`
    the ids that a search would give to who sees everything.
    """

    code: str
    method: str
    path: str
    status: int = 200
    type: str = ""
    needs: str = ""
    target: str = ""
    hidden: int = 404
    writes: str = ""
    category: str = ""
    found: frozenset[str] | None = None
    body: Any = None
    media: str = "application/fhir+json"
    headers: tuple[tuple[str, str], ...] = ()
    public: bool = False
    narrow: int = 0

    @property
    def name(self) -> str:
        """What the test is called."""
        return f"{self.code} {self.method} {self.path}"

    def expected(self, caller: Caller) -> int:
        """The status that the caller must be answered."""
        if self.public:
            return self.status
        if not caller.good:
            return 401
        if not caller.letters:
            return 403
        if any(not caller.may(self.type, letter) for letter in self.needs):
            return 403
        if self.target and self.target not in caller.sees:
            return self.hidden
        if self.writes and caller.patient not in ("", self.writes):
            return 403
        if self.category and "laboratory" in caller.name and self.category != "laboratory":
            return 403
        whole = caller.patient == "" and "laboratory" not in caller.name
        if self.narrow and not whole:
            return self.narrow
        return self.status

    def shown(self, caller: Caller) -> frozenset[str]:
        """What a search finds for the caller."""
        assert self.found is not None
        return frozenset(
            place for place in self.found & caller.sees if caller.may(place.partition("/")[0], "s")
        )


def of(*types: str) -> frozenset[str]:
    """All resources of the types."""
    return frozenset(place for place in EVERYTHING if place.partition("/")[0] in types)


def bundle(kind: str, method: str, url: str, resource: Any = None) -> dict[str, Any]:
    """A Bundle of one entry."""
    entry: dict[str, Any] = {"request": {"method": method, "url": url}}
    if resource is not None:
        entry["resource"] = resource
    return {"resourceType": "Bundle", "type": kind, "entry": [entry]}


FORM = "application/x-www-form-urlencoded"
NEW = {name: value for name, value in LAB_A.items() if name != "id"}
NEW_B = {**NEW, "subject": {"reference": "Patient/b"}}
VITAL = observation("x", "a", "vital-signs")
MOVED = {**LAB_A, "subject": {"reference": "Patient/b"}}
OBSERVATIONS = of("Observation")
LABS = frozenset(("Observation/lab-a", "Observation/lab-b"))
LABEL = {
    "resourceType": "Parameters",
    "parameter": [
        {"name": "meta", "valueMeta": {"tag": [{"system": "urn:x", "code": "y"}]}},
    ],
}
NONE_EXIST = (("If-None-Exist", f"category={CATEGORY}|laboratory&patient=a"),)
ELSE = (("If-None-Exist", "identifier=urn:none|such"),)

ASKED: tuple[Asked, ...] = (
    Asked("capabilities", "GET", "metadata", public=True),
    # search
    Asked("search-type", "GET", "Observation", type="Observation", needs="s", found=OBSERVATIONS),
    Asked(
        *("search-type", "GET", "Observation?category=laboratory"),
        **{"type": "Observation", "needs": "s", "found": LABS},
    ),
    Asked(
        *("search-type", "GET", "Observation?patient=b"),
        **{"type": "Observation", "needs": "s", "found": frozenset(("Observation/lab-b",))},
    ),
    Asked(
        *("search-type", "GET", "Observation?_sort=-date&_total=accurate"),
        **{"type": "Observation", "needs": "s", "found": OBSERVATIONS},
    ),
    Asked(
        *("search-type", "GET", "Observation?_id=lab-a,lab-b,vital-a"),
        **{"type": "Observation", "needs": "s", "found": OBSERVATIONS},
    ),
    Asked(
        *("search-type", "GET", "Condition"),
        **{"type": "Condition", "needs": "s", "found": of("Condition")},
    ),
    Asked("search-type", "GET", "Patient", type="Patient", needs="s", found=of("Patient")),
    Asked("search-type", "GET", "Device", type="Device", needs="s", found=of("Device")),
    Asked("search-type", "GET", "Task", type="Task", needs="s", found=of("Task")),
    Asked(
        *("search-type", "GET", "Organization"),
        **{"type": "Organization", "needs": "s", "found": of("Organization")},
    ),
    Asked(
        *("search-type", "POST", "Observation/_search"),
        **{"type": "Observation", "needs": "s", "found": OBSERVATIONS},
        body="_count=50",
        media=FORM,
    ),
    Asked("search-system", "GET", "?_type=Observation,Patient", found=of("Observation", "Patient")),
    Asked(
        *("search-system", "POST", "_search"),
        body="_type=Observation,Condition",
        media=FORM,
        found=of("Observation", "Condition"),
    ),
    Asked(
        *("search-compartment", "GET", "Patient/a/Observation"),
        **{"type": "Patient", "needs": "s"},
        found=frozenset(("Observation/lab-a", "Observation/vital-a")),
    ),
    Asked(
        *("search-compartment", "GET", "Patient/b/Observation"),
        **{"type": "Patient", "needs": "s", "found": frozenset(("Observation/lab-b",))},
    ),
    Asked(
        *("search-compartment", "GET", "Patient/b/*"),
        **{"type": "Patient", "needs": "s"},
        found=frozenset(("Patient/b", "Observation/lab-b", "Condition/k-b", "Encounter/e-b")),
    ),
    Asked(
        *("search-compartment", "POST", "Patient/a/Condition/_search"),
        **{"type": "Patient", "needs": "s", "found": frozenset(("Condition/k-a",))},
        body="",
        media=FORM,
    ),
    # read
    *(
        Asked("read", "GET", place, type=place.partition("/")[0], needs="r", target=place)
        for place in sorted(EVERYTHING)
    ),
    Asked("read", "HEAD", "Patient/b", type="Patient", needs="r", target="Patient/b"),
    Asked("read", "GET", "Patient/none", 404, type="Patient", needs="r"),
    *(
        Asked("vread", "GET", f"{place}/_history/1", type=type_, needs="r", target=place)
        for type_, place in (("Patient", "Patient/b"), ("Observation", "Observation/lab-a"))
    ),
    Asked(
        *("history-instance", "GET", "Observation/lab-a/_history"),
        **{"type": "Observation", "needs": "r", "target": "Observation/lab-a"},
    ),
    Asked(
        *("history-instance", "GET", "Patient/b/_history"),
        **{"type": "Patient", "needs": "r", "target": "Patient/b"},
    ),
    Asked(
        *("history-type", "GET", "Observation/_history?_count=200"),
        **{"type": "Observation", "needs": "s", "found": OBSERVATIONS},
    ),
    Asked("history-system", "GET", "_history?_count=500", found=EVERYTHING),
    # write
    Asked(
        *("create", "POST", "Observation", 201),
        **{"type": "Observation", "needs": "c", "writes": "a", "body": NEW},
    ),
    Asked(
        *("create", "POST", "Observation", 201),
        **{"type": "Observation", "needs": "c", "writes": "b", "body": NEW_B},
    ),
    Asked(
        *("create", "POST", "Observation", 201),
        **{"type": "Observation", "needs": "c", "writes": "a", "category": "vital-signs"},
        body=VITAL,
    ),
    Asked(
        *("create", "POST", "Organization", 201),
        **{"type": "Organization", "needs": "c", "writes": "nobody"},
        body={"resourceType": "Organization", "name": "New"},
    ),
    Asked(
        *("create", "POST", "Observation", 200),
        **{"type": "Observation", "needs": "cs", "target": "Observation/lab-a", "hidden": 403},
        body=NEW,
        headers=NONE_EXIST,
    ),
    Asked(
        *("create", "POST", "Observation", 201),
        **{"type": "Observation", "needs": "cs", "writes": "a", "body": NEW, "headers": ELSE},
    ),
    Asked(
        *("update", "PUT", "Observation/lab-a"),
        **{"type": "Observation", "needs": "u", "target": "Observation/lab-a", "hidden": 405},
        body=LAB_A,
    ),
    Asked(
        *("update", "PUT", "Observation/lab-a"),
        **{"type": "Observation", "needs": "u", "target": "Observation/lab-a", "hidden": 405},
        writes="b-and-everybody",
        body=MOVED,
    ),
    Asked(
        *("update", "PUT", "Observation/unused", 201),
        **{"type": "Observation", "needs": "u", "narrow": 405},
        body={**LAB_A, "id": "unused"},
    ),
    Asked(
        *("conditional-update", "PUT", f"Observation?_id=lab-a&category={CATEGORY}|laboratory"),
        **{"type": "Observation", "needs": "us", "target": "Observation/lab-a", "hidden": 405},
        body=LAB_A,
    ),
    Asked(
        *("patch", "PATCH", "Observation/lab-a"),
        **{"type": "Observation", "needs": "ur", "target": "Observation/lab-a"},
        body=NOTE,
        media=JSON_PATCH,
    ),
    Asked(
        *("conditional-patch", "PATCH", "Observation?_id=lab-a"),
        **{"type": "Observation", "needs": "urs", "target": "Observation/lab-a"},
        body=NOTE,
        media=JSON_PATCH,
    ),
    Asked(
        *("delete", "DELETE", "Observation/lab-a", 204),
        **{"type": "Observation", "needs": "d", "target": "Observation/lab-a", "hidden": 204},
    ),
    Asked("delete", "DELETE", "Observation/none", 204, type="Observation", needs="d"),
    Asked(
        *("conditional-delete", "DELETE", "Observation?_id=lab-a", 204),
        **{"type": "Observation", "needs": "ds", "target": "Observation/lab-a", "hidden": 204},
    ),
    # Bundles: the Bundle's own status; what is in a batch is judged entry by entry
    Asked("transaction", "POST", "", body=bundle("batch", "GET", "Patient/b")),
    Asked(
        *("transaction", "POST", "", 200),
        **{"type": "Observation", "needs": "c", "writes": "a"},
        body=bundle("transaction", "POST", "Observation", NEW),
    ),
    Asked(
        *("transaction", "POST", ""),
        **{"type": "Observation", "needs": "d", "target": "Observation/lab-a", "hidden": 200},
        body=bundle("transaction", "DELETE", "Observation/lab-a"),
    ),
    Asked(
        *("transaction", "POST", ""),
        **{"type": "Patient", "needs": "r", "target": "Patient/b"},
        body=bundle("transaction", "GET", "Patient/b"),
    ),
)
