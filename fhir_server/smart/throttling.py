"""Slowing down those who guess, without locking out those whom they guess at.

Attempts are counted per account and source together, and per source over all accounts. Nobody
else's attempts make a person wait: another source has its own count, and a browser that once
signed in (it holds a device cookie) has one too, whatever comes from its address.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from fhir_server.store.sign_ins import SignIns

ACCOUNT_DELAYS = (0, 0, 0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900)
"""Seconds to wait after the first, second ... attempt on one account from one source."""

SOURCE_DELAYS = (*(0,) * 99, *(10,) * 100, 60)
"""The same for one source, whichever accounts it tries."""

MEMORY = 3_600
"""Seconds after the last attempt in which a count is forgotten."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Where an attempt comes from; `device` is the browser's, where it signed in before."""

    address: str
    device: str | None = None

    @property
    def source(self) -> str:
        """The network that one machine can choose addresses in: an IPv6 /64, an IPv4 address."""
        try:
            address = ip_address(self.address)
        except ValueError:
            return "unknown"
        if address.version == 6:
            return str(ip_network((address, 64), strict=False))
        return str(address)


class Throttle:
    """Says how long to wait. Every attempt is counted before it is made, and forgiven if good."""

    def __init__(self, kept: SignIns, now: Callable[[], float]) -> None:
        self._kept = kept
        self._now = now

    async def attempt(self, name: str, caller: Caller) -> float:
        """0 where the caller may try the account now, else the seconds to wait."""
        now = self._now()
        if caller.device is None:
            wait = await self._kept.attempt(f"source {caller.source}", now, SOURCE_DELAYS, MEMORY)
            if wait:
                return wait
        return await self._kept.attempt(_bucket(name, caller), now, ACCOUNT_DELAYS, MEMORY)

    async def second(self, account: str, caller: Caller) -> float:
        """The same for the codes of a second factor, over all sources.

        Only somebody who knows the password comes this far. Whoever is made to wait here by such
        a person still has passkeys and codes on paper.
        """
        return await self._kept.attempt(
            _second_bucket(account, caller), self._now(), ACCOUNT_DELAYS, MEMORY
        )

    async def forgive_second(self, account: str, caller: Caller) -> None:
        """The code was good: begin to count anew."""
        await self._kept.forgive(_second_bucket(account, caller))

    async def forgive(self, name: str, caller: Caller) -> None:
        """The attempt was good: begin to count anew."""
        await self._kept.forgive(_bucket(name, caller))


def _bucket(name: str, caller: Caller) -> str:
    place = f"device {caller.device}" if caller.device else f"source {caller.source}"
    return f"account {name}\n{place}"


def _second_bucket(account: str, caller: Caller) -> str:
    return f"second {account}\n{f'device {caller.device}' if caller.device else 'anywhere'}"
