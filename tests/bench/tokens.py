"""What a verified token and a compiled grant add to a read: the same server open and closed.

    python -m tests.bench.tokens [--seconds 3] [--rounds 3] [--connections 32]

Open and closed are measured in turns, in one run, on one database; each row says its rate and the
cost beside the open server. `practitioner` may see everything, `patient` one record only.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import uvloop

from fhir_server.settings import Settings
from fhir_server.smart.server import AuthorizationServer
from fhir_server.store.connect import open_store
from fhir_server.store.tokens import Family
from tests.bench import client, data
from tests.bench.run import fill
from tests.mongod import mongod

DATABASE = "bench"
PATIENT = 7


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def serving(uri: str, port: int, *options: str) -> Iterator[None]:
    """A server on the port."""
    environment = {
        **os.environ,
        **{"FHIR_MONGODB_URI": uri, "FHIR_MONGODB_DATABASE": DATABASE},
        **{"FHIR_BASE_DEFINITIONS": "false", "FHIR_REQUESTS_PER_MINUTE": "0"},
    }
    subprocess.run([sys.executable, "-m", "fhir_server", "migrate"], env=environment, check=True)
    started = subprocess.Popen(
        [sys.executable, "-m", "fhir_server", "serve", "--port", str(port), *options],
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    try:
        for _ in range(300):
            time.sleep(0.1)
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
        else:
            raise SystemExit("the server did not start")
        yield
    finally:
        started.terminate()
        started.wait(30)


async def token(uri: str, port: int, scope: str, **given: str) -> str:
    """A token of the server on the port, made with its own keys."""
    async with open_store(uri, DATABASE) as store:
        smart = AuthorizationServer(Settings(port=port), store)
        await smart.open()
        now = time.time()
        family = Family("family", "app", "account", scope, now, now + 3600, **given)  # type: ignore[arg-type]
        return (await smart.maker.access_token(family, scope))[0]


async def measure(port: int, bearer: str, options: argparse.Namespace) -> float:
    """Reads per second of one patient's Observations."""
    header = f"Authorization: Bearer {bearer}\r\n" if bearer else ""
    sends = [
        client.request("GET", f"/fhir/Observation/o{PATIENT}-{index}", headers=header)
        for index in range(data.OBSERVATIONS)
    ]
    turn = iter(range(10**9))
    result = await client.run(
        port,
        options.connections,
        options.seconds,
        1.0,
        lambda _: sends[next(turn) % len(sends)],
        lambda _, status, __: status == 200,
    )
    if result.wrong:
        raise SystemExit(result.wrong[0].decode(errors="replace"))
    return result.rate


async def compare(uri: str, options: argparse.Namespace) -> None:
    """Print the table."""
    closed, open_ = free_port(), free_port()
    with serving(uri, open_, "--open"), serving(uri, closed):
        await fill(open_)
        own = f"p{PATIENT}"
        rows = {
            "open": (open_, ""),
            "practitioner": (
                *(closed,),
                await token(uri, closed, "user/*.rs", fhir_user="Practitioner/p"),
            ),
            "patient": (
                *(closed,),
                await token(uri, closed, "patient/*.rs", patient=own, fhir_user=f"Patient/{own}"),
            ),
        }
        rates: dict[str, list[float]] = {name: [] for name in rows}
        for _ in range(options.rounds):
            for name, (port, bearer) in rows.items():
                rates[name].append(await measure(port, bearer, options))
    floor = median(rates["open"])
    print(f"{options.connections} connections, median of {options.rounds} rounds")
    for name, measured in rates.items():
        rate = median(measured)
        print(f"{name:14}{rate:8.0f}/s   time per read x {floor / rate:.2f}")


def main() -> None:
    """Read the arguments and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    options = parser.parse_args()
    with mongod() as uri:
        uvloop.run(compare(uri, options))


if __name__ == "__main__":
    main()
