"""The floor: the bare driver doing the same work on the same MongoDB, without a server.

Run as a process of its own (`python -m tests.bench.floor URI OPERATION CONNECTIONS SECONDS`), it
prints one JSON object. The resources lie in it as BSON documents, as an application without FHIR
would keep them, with an index on patient and code.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import Awaitable, Callable
from time import perf_counter, process_time
from typing import Any
from uuid import uuid4

import uvloop
from pymongo import AsyncMongoClient, WriteConcern
from pymongo.asynchronous.database import AsyncDatabase

from tests.bench import data

DATABASE = "floor"
Database = AsyncDatabase[dict[str, Any]]
Work = Callable[[int], Awaitable[None]]


def documents(number: int) -> list[dict[str, Any]]:
    """The Observations of one patient as documents."""
    return [{"_id": r["id"], "version": 1, **r} for r in data.observations(1, number)]


async def fill(uri: str) -> None:
    """Fill the floor's own database."""
    async with AsyncMongoClient[dict[str, Any]](uri) as client:
        database = client[DATABASE]
        await database.Observation.create_index([("subject.reference", 1), ("code.coding.code", 1)])
        for number in range(data.PATIENTS):
            await database.Observation.insert_many(documents(number))
        # Collections cannot be made inside the timed transactions.
        for name in ("Patient", "Encounter"):
            await database.create_collection(name)


def operations(database: Database, client: AsyncMongoClient[dict[str, Any]]) -> dict[str, Work]:
    """The operations, each the same work as its namesake in `run`, call by call.

    `transaction_together` does in three calls what `transaction` does in fifty.
    """
    random_ = random.Random(7)
    results = database.Observation
    own = {number: documents(number)[0] for number in range(64)}
    versions: dict[int, int] = {}
    bundles = [
        [entry["resource"] for entry in data.transaction(random_)["entry"]] for _ in range(20)
    ]
    fresh = [data.observation(random_, "Patient/p1", data.CODES[0]) for _ in range(200)]

    async def read(_: int) -> None:
        id_ = f"o{random_.randrange(data.PATIENTS)}-{random_.randrange(data.OBSERVATIONS)}"
        assert await results.find_one({"_id": id_})

    async def search(_: int) -> None:
        query = {
            "subject.reference": f"Patient/p{random_.randrange(data.PATIENTS)}",
            "code.coding.code": random_.choice(data.CODES),
        }
        assert len(await results.find(query).limit(20).to_list()) == 20

    async def create(_: int) -> None:
        await results.insert_one({"_id": str(uuid4()), **random_.choice(fresh)})

    async def update(connection: int) -> None:
        document = own[connection]
        if connection not in versions:
            current = await results.find_one({"_id": document["_id"]})
            assert current
            versions[connection] = current["version"]
        version = versions[connection]
        done = await results.replace_one(
            {"_id": document["_id"], "version": version}, {**document, "version": version + 1}
        )
        assert done.modified_count == 1
        versions[connection] = version + 1

    async def transaction(_: int) -> None:
        resources = random_.choice(bundles)
        async with client.start_session() as session, await session.start_transaction():
            for resource in resources:
                await database[resource["resourceType"]].insert_one(
                    {"_id": str(uuid4()), **resource}, session=session
                )

    async def transaction_together(_: int) -> None:
        resources = random_.choice(bundles)
        async with client.start_session() as session, await session.start_transaction():
            for name in ("Patient", "Encounter", "Observation"):
                await database[name].insert_many(
                    [{"_id": str(uuid4()), **r} for r in resources if r["resourceType"] == name],
                    session=session,
                )

    return {
        "read": read,
        "search": search,
        "create": create,
        "update": update,
        "transaction": transaction,
        "transaction_together": transaction_together,
    }


async def measure(uri: str, operation: str, connections: int, seconds: float) -> dict[str, Any]:
    """Rate, p50 and p99 in milliseconds, and the client's CPU per operation in milliseconds."""
    async with AsyncMongoClient[dict[str, Any]](uri, maxPoolSize=connections) as client:
        database = client.get_database(DATABASE, write_concern=WriteConcern("majority", j=True))
        work = operations(database, client)[operation]
        latencies: list[float] = []
        state = {"timing": False, "stopping": False}

        async def loop(connection: int) -> None:
            while not state["stopping"]:
                began = perf_counter()
                await work(connection)
                if state["timing"]:
                    latencies.append(perf_counter() - began)

        tasks = [asyncio.create_task(loop(number)) for number in range(connections)]
        await asyncio.sleep(1)
        state["timing"] = True
        began, cpu = perf_counter(), process_time()
        await asyncio.sleep(seconds)
        state["timing"] = False
        elapsed, cpu = perf_counter() - began, process_time() - cpu
        state["stopping"] = True
        await asyncio.gather(*tasks)
    ordered = sorted(latencies)
    return {
        "rate": len(ordered) / elapsed,
        "p50": ordered[len(ordered) // 2] * 1000,
        "p99": ordered[int(len(ordered) * 0.99)] * 1000,
        "cpu": cpu / len(ordered) * 1000,
    }


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments[1] == "fill":
        uvloop.run(fill(arguments[0]))
    else:
        print(
            json.dumps(
                uvloop.run(
                    measure(arguments[0], arguments[1], int(arguments[2]), float(arguments[3]))
                )
            )
        )
