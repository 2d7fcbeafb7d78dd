"""The bench of the RESTful API: server against bare driver, on one MongoDB, in one run.

    python -m tests.bench.run [--seconds 5] [--connections 1,8,32] [--workers 1,2]
                              [--operations read,search,...] [--write docs/performance.md]

Each row says the server's requests per second, p50 and p99, its CPU per request, the bare driver's
rate for the same work, and the ratio of the two rates. Of a transaction there are two of both: the
driver's own of 50 calls of `insert_one`, then that of one `insert_many` for each type.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import uvloop

from fhir_server.store import embedded
from tests.bench import client, data, processes

OPERATIONS = ("read", "search", "create", "update", "transaction")
FLOORS = {"transaction": ("transaction", "transaction_together")}
"""What an operation is compared to, where that is more than its namesake."""

PREFIX = "/fhir/"
BEGIN, END = "<!-- bench -->", "<!-- /bench -->"


@contextmanager
def server(uri: str, workers: int) -> Iterator[tuple[int, int]]:
    """A server on a free port: (process id, port)."""
    command = [sys.executable, "-m", "fhir_server", "serve", "--open", "--port", "0"]
    environment = {**os.environ, "FHIR_MONGODB_URI": uri, "FHIR_MONGODB_DATABASE": "bench"}
    environment["FHIR_BASE_DEFINITIONS"] = "false"  # their loading would be timed too
    subprocess.run([sys.executable, "-m", "fhir_server", "migrate"], env=environment, check=True)
    started = subprocess.Popen(
        [*command, "--workers", str(workers)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert started.stdout
        for line in started.stdout:
            if "http://127.0.0.1:" in line:
                port = int(line.partition("http://127.0.0.1:")[2].partition("/")[0])
                break
        else:
            raise SystemExit("the server did not start")
        yield started.pid, port
    finally:
        started.terminate()
        started.wait(30)


async def fill(port: int) -> None:
    """Put the bench's records into the server."""
    waiting = [data.patient(number) for number in range(data.PATIENTS)]
    for number in range(data.PATIENTS):
        waiting += data.observations(1, number)
    requests = [
        client.request("PUT", f"{PREFIX}{r['resourceType']}/{r['id']}", data.body(r))
        for r in waiting
    ]
    print(f"{len(requests)} resources go in", flush=True)
    connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(16)]

    async def feed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while requests:
            writer.write(requests.pop())
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert head[9:12] in (b"200", b"201"), head
            length = head.partition(b"content-length:")[2].split(b"\r\n")[0]
            await reader.readexactly(int(length))
        writer.close()

    await asyncio.gather(*(feed(*pair) for pair in connections))


class Load:
    """The requests of one operation and the judgement of their answers."""

    def __init__(self, operation: str) -> None:
        self._random = random.Random(3)
        self._versions: dict[int, int] = {}
        self._own = {n: data.observations(1, n)[0] for n in range(64)}
        self.send: client.Send = getattr(self, operation)
        self.seen: client.Seen = getattr(self, f"{operation}_seen")

    def read(self, _: int) -> bytes:
        number = self._random.randrange(data.PATIENTS)
        index = self._random.randrange(data.OBSERVATIONS)
        return client.request("GET", f"{PREFIX}Observation/o{number}-{index}")

    def read_seen(self, _: int, status: int, response: bytes) -> bool:
        return status == 200

    def search(self, _: int) -> bytes:
        number = self._random.randrange(data.PATIENTS)
        code = self._random.choice(data.CODES)
        query = f"patient=p{number}&code=http://loinc.org%7C{code}&_count=20"
        return client.request("GET", f"{PREFIX}Observation?{query}")

    def search_seen(self, _: int, status: int, response: bytes) -> bool:
        return status == 200 and response.count(b'"resourceType":"Observation"') == 20

    def create(self, _: int) -> bytes:
        # Made anew for each request: what the server knows from the one before helps nobody.
        patient = f"Patient/p{self._random.randrange(data.PATIENTS)}"
        made = data.observation(self._random, patient, self._random.choice(data.CODES))
        return client.request("POST", f"{PREFIX}Observation", data.body(made))

    def create_seen(self, _: int, status: int, response: bytes) -> bool:
        return status == 201

    def update(self, connection: int) -> bytes:
        own = self._own[connection]
        version = self._versions.get(connection)
        header = f'If-Match: W/"{version}"\r\n' if version else ""
        body = data.body({**own, "status": ("final", "amended")[(version or 0) % 2]})
        return client.request("PUT", f"{PREFIX}Observation/{own['id']}", body, header)

    def update_seen(self, connection: int, status: int, response: bytes) -> bool:
        if status == 200:
            tag = response.lower().partition(b'etag: w/"')[2].partition(b'"')[0]
            self._versions[connection] = int(tag)
        return status == 200

    def transaction(self, _: int) -> bytes:
        return client.request("POST", PREFIX, data.body(data.transaction(self._random)))

    def transaction_seen(self, _: int, status: int, response: bytes) -> bool:
        return status == 200 and response.count(b'"201') == 50


def floor(uri: str, operation: str, connections: int, seconds: float) -> dict[str, Any]:
    """What the bare driver does in the same time on the same MongoDB."""
    output = subprocess.run(
        [
            *(sys.executable, "-m", "tests.bench.floor", uri),
            *(operation, str(connections), str(seconds)),
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    measured: dict[str, Any] = json.loads(output)
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--connections", default="1,8,32")
    parser.add_argument("--workers", default="1,2")
    parser.add_argument("--operations", default=",".join(OPERATIONS))
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    rows = [
        "| operation | connections | workers | requests/s | p50 ms | p99 ms | CPU ms/request | "
        "memory MiB | bare driver/s | ratio |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(rows), flush=True)
    folder = Path(tempfile.mkdtemp(prefix="fhir-bench-"))
    database = embedded.start(folder, cache_gb=2)
    floors: dict[tuple[str, int], dict[str, Any]] = {}
    try:
        subprocess.run(
            [sys.executable, "-m", "tests.bench.floor", database.uri, "fill"], check=True
        )
        filled = False
        for workers in map(int, arguments.workers.split(",")):
            with server(database.uri, workers) as (pid, port):
                urlopen(f"http://127.0.0.1:{port}/readyz")
                if not filled:
                    uvloop.run(fill(port))
                    filled = True
                for operation in arguments.operations.split(","):
                    for connections in map(int, arguments.connections.split(",")):
                        compared = FLOORS.get(operation, (operation,))
                        for name in compared:
                            key = (name, connections)
                            if key not in floors:
                                floors[key] = floor(database.uri, *key, arguments.seconds)
                        row = _row(operation, connections, workers, pid, port, arguments.seconds)
                        bare = [floors[name, connections]["rate"] for name in compared]
                        rates = ", ".join(f"{rate:,.0f}" for rate in bare)
                        ratios = ", ".join(f"{row[1] / rate:.2f}" for rate in bare)
                        line = f"{row[0]} {rates} | {ratios} |"
                        rows.append(line)
                        print(line, flush=True)
    finally:
        database.stop()
        shutil.rmtree(folder, ignore_errors=True)
    if arguments.write:
        _write(arguments.write, rows)


def _row(
    operation: str, connections: int, workers: int, pid: int, port: int, seconds: float
) -> tuple[str, float]:
    load = Load(operation)
    pids = processes.family(pid)
    warm_up = 1.0
    before = processes.cpu_seconds(pids)
    result = uvloop.run(client.run(port, connections, seconds, warm_up, load.send, load.seen))
    # The warm-up and the last answers count into CPU: scale them out by time.
    share = result.seconds / (result.seconds + warm_up)
    cpu = (processes.cpu_seconds(pids) - before) * share / max(len(result.latencies), 1) * 1000
    if result.wrong:
        print(f"{len(result.wrong)} wrong answers, such as {result.wrong[0]!r}", file=sys.stderr)
    return (
        f"| {operation} | {connections} | {workers} | {result.rate:,.0f} "
        f"| {result.percentile(0.5):.2f} | {result.percentile(0.99):.2f} | {cpu:.3f} "
        f"| {processes.memory_mebibytes(pids):.0f} |"
    ), result.rate


def _write(page: Path, rows: list[str]) -> None:
    text = page.read_text()
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    machine = (
        f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, "
        "MongoDB 6.0.5 on the same machine, as is the load"
    )
    page.write_text(f"{head}{BEGIN}\n{machine}\n\n" + "\n".join(rows) + f"\n{END}{tail}")


if __name__ == "__main__":
    main()
