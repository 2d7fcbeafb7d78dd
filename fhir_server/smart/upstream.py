"""Signing in with another provider: OpenID Connect Core, code flow with PKCE, state and nonce.

Pro Santé Connect, FranceConnect, a Keycloak: whatever FHIR_IDENTITY_PROVIDERS names. The provider
says who somebody is; which account that is was written down before, by an administrator.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote, urlencode, urlsplit

import httpx
import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from fhir_server.settings import IdentityProvider, is_loopback
from fhir_server.store.opaque import new_token
from fhir_server.store.sign_ins import SignIns

CALLBACK = "/sign-in/from"
ALGORITHMS = ["RS256", "PS256", "ES256", "ES384"]
SECONDS = 600
"""Time for signing in at the provider."""

LEEWAY = 30
LARGEST = 256 * 1024
KNOWN_SECONDS = 3_600


class Refused(Exception):
    """The provider could not be asked, or what it says does not prove who somebody is."""


@dataclass(frozen=True, slots=True)
class Identified:
    """Who somebody is, as an account's `upstream` has it, and the page that waits for them."""

    identity: str
    next: str


def identity(issuer: str, value: str) -> str:
    """How an account is linked to a provider's person."""
    return f"{issuer.rstrip('/')} {value}"


class Providers:
    """The providers of the settings. Their addresses and keys are fetched when first needed."""

    def __init__(
        self,
        providers: Sequence[IdentityProvider],
        root: str,
        kept: SignIns,
        now: Callable[[], float],
    ) -> None:
        self._providers = {provider.key: provider for provider in providers}
        self._root = root
        self._kept = kept
        self._now = now
        self._known: dict[str, tuple[float, Any]] = {}

    def listed(self) -> list[tuple[str, str]]:
        """Key and name of each, as the sign-in page offers them."""
        return [(provider.key, provider.name) for provider in self._providers.values()]

    def origins(self) -> str:
        """What a form of ours may lead to besides ourselves, for a Content-Security-Policy."""
        if not self._providers:
            return ""
        origins = {
            "{0.scheme}://{0.netloc}".format(urlsplit(p.issuer)) for p in self._providers.values()
        }
        # A provider may lead on to the pages of others, as FranceConnect does.
        return " ".join(("https:", *sorted(origins)))

    async def begin(self, key: str, visit: str, next_: str) -> str:
        """Where the browser goes to sign in at a provider. Raises Refused."""
        provider = self._provider(key)
        places = await self._places(provider)
        state, nonce, verifier = new_token(), new_token(), secrets.token_urlsafe(48)
        held = {"key": key, "state": state, "nonce": nonce, "verifier": verifier, "next": next_}
        until = self._now() + SECONDS
        await self._kept.add_challenge(
            f"upstream {visit}", msgspec.json.encode(held).decode(), until
        )
        challenge = hashlib.sha256(verifier.encode()).digest()
        query = {
            **{"response_type": "code", "client_id": provider.client_id},
            **{"redirect_uri": self._redirect_uri(key), "scope": provider.scope},
            **{"state": state, "nonce": nonce, "code_challenge_method": "S256"},
            "code_challenge": base64.urlsafe_b64encode(challenge).rstrip(b"=").decode(),
            **({"acr_values": provider.acr_values} if provider.acr_values else {}),
        }
        return _joined(places["authorization_endpoint"], query)

    async def finish(self, key: str, visit: str, answer: Mapping[str, str]) -> Identified:
        """Who came back from a provider, by what its redirect says. Raises Refused."""
        provider = self._provider(key)
        text = await self._kept.take_challenge(f"upstream {visit}", self._now())
        held: dict[str, str] = msgspec.json.decode(text) if text else {}
        if not held or held["key"] != key:
            raise Refused("this browser began no sign-in there, or too long ago")
        if not hmac.compare_digest(held["state"].encode(), answer.get("state", "").encode()):
            raise Refused("state is of another request")
        if answer.get("iss", provider.issuer) != provider.issuer:
            raise Refused("iss is another provider's (RFC 9207)")
        if not answer.get("code"):
            raise Refused(f"the provider says {answer.get('error', 'nothing')[:60]}")
        places = await self._places(provider)
        tokens = await self._exchange(provider, places, answer["code"], held["verifier"])
        claims = await self._verified(provider, places, tokens.get("id_token"), held["nonce"])
        value = claims.get(provider.claim)
        if value is None and "userinfo_endpoint" in places:
            more = await self._userinfo(provider, places, tokens.get("access_token"))
            if more.get("sub") != claims["sub"]:
                raise Refused("userinfo is about somebody else")
            value = more.get(provider.claim)
        if not isinstance(value, str) or not value or len(value) > 500:
            raise Refused(f"the provider does not say {provider.claim}")
        return Identified(identity(provider.issuer, value), held["next"])

    def _provider(self, key: str) -> IdentityProvider:
        if key not in self._providers:
            raise Refused("there is no such provider")
        return self._providers[key]

    def _redirect_uri(self, key: str) -> str:
        return f"{self._root}{CALLBACK}/{key}"

    async def _places(self, provider: IdentityProvider) -> dict[str, str]:
        """The provider's endpoints, from its own description."""
        url = f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration"
        found = await self._fetched(url)
        if found.get("issuer") != provider.issuer:
            raise Refused("the provider's description is of another issuer")
        names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        if any(not isinstance(found.get(name), str) for name in names):
            raise Refused("the provider's description lacks an endpoint")
        return found

    async def _exchange(
        self, provider: IdentityProvider, places: Mapping[str, str], code: str, verifier: str
    ) -> dict[str, Any]:
        form = {
            **{"grant_type": "authorization_code", "code": code, "code_verifier": verifier},
            "redirect_uri": self._redirect_uri(provider.key),
        }
        headers = {}
        if provider.authentication == "client_secret_basic":
            pair = f"{quote(provider.client_id)}:{quote(provider.client_secret, safe='')}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        else:
            form |= {"client_id": provider.client_id, "client_secret": provider.client_secret}
        return await _ask("POST", places["token_endpoint"], data=form, headers=headers)

    async def _verified(
        self, provider: IdentityProvider, places: Mapping[str, str], token: object, nonce: str
    ) -> dict[str, Any]:
        """The claims of an id token that is the provider's, for us, of now and of this sign-in."""
        if not isinstance(token, str) or len(token) > LARGEST:
            raise Refused("the provider sent no id token")
        claims = await self._read(provider, places["jwks_uri"], token)
        registry = jwt.JWTClaimsRegistry(
            now=lambda: int(self._now()),
            leeway=LEEWAY,
            iss={"essential": True, "value": provider.issuer},
            aud={"essential": True, "value": provider.client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            registry.validate(claims)
        except JoseError as error:
            raise Refused(f"id token: {error.description}") from None
        if claims.get("azp", provider.client_id) != provider.client_id:
            raise Refused("id token: azp is another client's")
        return claims

    async def _userinfo(
        self, provider: IdentityProvider, places: Mapping[str, str], token: object
    ) -> dict[str, Any]:
        """What the provider says besides: as JSON or, as FranceConnect does, as a signed JWT."""
        headers = {"Authorization": f"Bearer {token}"}
        found = await _ask("GET", places["userinfo_endpoint"], headers=headers)
        if "jwt" in found and len(found) == 1:
            return await self._read(provider, places["jwks_uri"], found["jwt"])
        return found

    async def _read(self, provider: IdentityProvider, url: str, token: str) -> dict[str, Any]:
        for fresh in (False, True):
            keys = KeySet.import_key_set(cast("Any", await self._fetched(url, fresh=fresh)))
            try:
                return dict(jwt.decode(token, keys, algorithms=ALGORITHMS).claims)
            except (JoseError, ValueError, TypeError):
                continue  # its keys may be newer than what we know of them
        raise Refused("the token is not signed by the provider's keys")

    async def _fetched(self, url: str, *, fresh: bool = False) -> dict[str, Any]:
        since, found = self._known.get(url, (0.0, None))
        if found is None or fresh or self._now() - since > KNOWN_SECONDS:
            found = await _ask("GET", url)
            self._known[url] = (self._now(), found)
        return cast("dict[str, Any]", found)


async def _ask(method: str, url: str, **options: Any) -> dict[str, Any]:
    """The JSON object that a provider answers with; a JWT comes as `{"jwt": ...}`."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise Refused("the provider is not asked by plain http")
    try:
        async with httpx.AsyncClient(timeout=10, follow_redirects=False) as client:
            answer = await client.request(method, url, **options)
    except httpx.HTTPError as error:
        raise Refused(f"the provider does not answer: {type(error).__name__}") from None
    if not answer.is_success or len(answer.content) > LARGEST:
        raise Refused(f"the provider answers {answer.status_code}")
    if answer.headers.get("content-type", "").startswith("application/jwt"):
        return {"jwt": answer.text.strip()}
    try:
        found = msgspec.json.decode(answer.content)
    except msgspec.DecodeError:
        raise Refused("the provider's answer is no JSON") from None
    if not isinstance(found, dict):
        raise Refused("the provider's answer is no JSON object")
    return found


def _joined(url: str, query: Mapping[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(query, quote_via=quote)}"
