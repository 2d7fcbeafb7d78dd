"""The apps and services that may ask for tokens."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from fhir_server.smart import client_metadata, redirects
from fhir_server.smart.client_metadata import BASIC, checked
from fhir_server.smart.client_secrets import hashed, matches, new_secret
from fhir_server.smart.errors import OAuthError
from fhir_server.store import clients as store
from fhir_server.store.tokens import Tokens

Kind = Literal["public", "symmetric", "asymmetric", "backend"]


@dataclass(frozen=True, slots=True)
class Client:
    """One registered client. `scope` is what it may ask for at most; empty means anything.

    A backend service is pre-authorised for `scope`, so there empty means nothing. `introspection`
    lets it ask about tokens of others, `ehr` lets it announce launches. `source` says who
    registered it: `file`, `command` or `registration`. `family` is the token family of a backend
    service.
    """

    id: str
    kind: Kind
    name: str
    grant_types: tuple[str, ...]
    family: str
    redirect_uris: tuple[str, ...] = ()
    scope: str = ""
    launch_uri: str | None = None
    jwks: Mapping[str, Any] | None = None
    jwks_uri: str | None = None
    secret_hash: str | None = field(default=None, repr=False)
    introspection: bool = False
    ehr: bool = False
    source: str = "command"
    metadata: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def authentication(self) -> str:
        """The one method by which the client authenticates at the token endpoint."""
        return str(self.metadata["token_endpoint_auth_method"])

    @property
    def origins(self) -> frozenset[str]:
        """The web origins that the client's pages come from."""
        uris = [*self.redirect_uris, self.launch_uri or ""]
        return frozenset(filter(None, map(redirects.origin, uris)))

    def may_redirect_to(self, uri: str) -> bool:
        """Whether the browser may be sent there for this client."""
        return redirects.is_registered(uri, self.redirect_uris)


class Clients:
    """The clients of a server."""

    def __init__(self, kept: store.Clients, tokens: Tokens, now: Callable[[], float]) -> None:
        self._kept = kept
        self._tokens = tokens
        self._now = now

    async def find(self, id_: str) -> Client | None:
        """The client of an id, None where there is none."""
        if not id_ or len(id_) > 200:
            return None
        row = await self._kept.get(id_)
        return client(row) if row else None

    async def all(self) -> list[Client]:
        """Every client, by id."""
        return [client(row) for row in await self._kept.all()]

    async def register(
        self,
        metadata: object,
        *,
        source: str,
        client_id: str | None = None,
        secret: str | None = None,
        introspection: bool = False,
        ehr: bool = False,
        management_hash: str | None = None,
        test_http: bool = False,
    ) -> tuple[Client, str | None]:
        """A new client, and its secret where it has one: it is shown now and never again.

        Raises OAuthError where the metadata is not in order or the id is taken.
        """
        known = checked(metadata, test_http=test_http)
        id_ = client_id or secrets.token_urlsafe(16)
        symmetric = known["token_endpoint_auth_method"] == BASIC
        shown = (secret or new_secret()) if symmetric else None
        row = {
            "metadata": known,
            "secret_hash": await hashed(shown) if shown else None,
            "introspection": introspection,
            "ehr": ehr,
            "source": source,
            "management_hash": management_hash,
            "family": secrets.token_urlsafe(16),
        }
        if not await self._kept.add(id_, row):
            raise id_taken(id_)
        return client({**row, "_id": id_}), shown

    async def replace(self, old: Client, metadata: object, *, test_http: bool = False) -> Client:
        """The client with other metadata; id, secret and rights stay."""
        known = checked(metadata, test_http=test_http)
        row = await self._kept.get(old.id) or {}
        row["metadata"] = known
        if known["token_endpoint_auth_method"] != BASIC:
            row["secret_hash"] = None
        await self._kept.put(old.id, row)
        return client({**row, "_id": old.id})

    async def new_secret(self, id_: str) -> str | None:
        """Another secret in place of the client's old one, which is good no more."""
        row = await self._kept.get(id_)
        if row is None or client(row).kind != "symmetric":
            return None
        secret = new_secret()
        await self._kept.put(id_, {**row, "secret_hash": await hashed(secret)})
        return secret

    async def remove(self, id_: str) -> bool:
        """Forget a client and end all tokens that it has; False where there was none."""
        row = await self._kept.get(id_)
        removed = row is not None and await self._kept.remove(id_)
        if row is not None and removed:
            await self._tokens.revoke_client(id_, row["family"], self._now())
        return removed

    async def management_hash(self, id_: str) -> str | None:
        """The hash of the token with which a client manages its registration (RFC 7592)."""
        row = await self._kept.get(id_)
        return row.get("management_hash") if row else None

    async def keep_listed(self, listed: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """Make the clients of source `file` those listed; the ids of the ones that went.

        A row holds `metadata` (checked), `secret` or None, `introspection` and `ehr`. A client of
        the same id that somebody registered otherwise is replaced.
        """
        there = {row["_id"]: row for row in await self._kept.all()}
        for id_, wanted in listed.items():
            old = there.get(id_, {})
            row = {
                "metadata": wanted["metadata"],
                "introspection": wanted["introspection"],
                "ehr": wanted["ehr"],
                "source": "file",
                "management_hash": None,
                "secret_hash": await _hash_of(wanted["secret"], old.get("secret_hash")),
                "family": old.get("family") or secrets.token_urlsafe(16),
            }
            if {**row, "_id": id_} != old:
                await self._kept.put(id_, row)
        gone = [i for i, row in there.items() if row.get("source") == "file" and i not in listed]
        for id_ in gone:
            await self.remove(id_)
        return gone


def id_taken(id_: str) -> OAuthError:
    """The error for an id that another client has."""
    return OAuthError("invalid_client_metadata", f"client_id: {id_[:60]} is taken")


def client(row: Mapping[str, Any]) -> Client:
    """The client that a stored document is of."""
    known = row["metadata"]
    return Client(
        id=row["_id"],
        kind=_kind(known),
        name=known.get("client_name") or row["_id"],
        grant_types=tuple(known["grant_types"]),
        family=row["family"],
        redirect_uris=tuple(known.get("redirect_uris", ())),
        scope=known.get("scope", ""),
        launch_uri=known.get("launch_uri"),
        jwks=known.get("jwks"),
        jwks_uri=known.get("jwks_uri"),
        secret_hash=row.get("secret_hash"),
        introspection=bool(row.get("introspection")),
        ehr=bool(row.get("ehr")),
        source=row.get("source", "command"),
        metadata=known,
    )


def _kind(known: Mapping[str, Any]) -> Kind:
    match known["token_endpoint_auth_method"]:
        case client_metadata.NONE:
            return "public"
        case client_metadata.BASIC:
            return "symmetric"
    return "asymmetric" if "authorization_code" in known["grant_types"] else "backend"


async def _hash_of(secret: str | None, old: str | None) -> str | None:
    """The old hash while it is that of the secret, so that a restart writes nothing anew."""
    if secret is None:
        return None
    return old if old and await matches(secret, old) else await hashed(secret)
