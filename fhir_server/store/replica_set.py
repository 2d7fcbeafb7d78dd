"""The embedded database's replica set of one member, and its one user.

Transactions and change streams need a replica set. It is made at the first start, and told of its
new address where the port is another than the last time.
"""

from __future__ import annotations

from typing import Any

from pymongo import MongoClient
from pymongo.errors import ConnectionFailure, OperationFailure

NAME = "fhir"
USER = "fhir"

_UNAUTHORIZED = 13
_ALREADY_INITIALIZED = 23
_NOT_YET_INITIALIZED = 94
_USER_EXISTS = 51003


def address(port: int, password: str) -> str:
    """The address of the database, for the driver."""
    return f"mongodb://{USER}:{password}@127.0.0.1:{port}/?authSource=admin&directConnection=true"


def is_primary(port: int, password: str) -> bool:
    """Whether the member takes writes, from its user; False while it does not answer.

    Makes the replica set and the user where they are not there yet: to be asked until it is True.
    """
    bare = f"mongodb://127.0.0.1:{port}/?directConnection=true&serverSelectionTimeoutMS=2000"
    try:
        with MongoClient[dict[str, Any]](bare) as client:
            hello = client.admin.command("hello")
            if hello.get("isreplicaset") and not hello.get("setName"):
                # No configuration yet, or one that names the port of an earlier start.
                _configure(client, port, password)
                return False
            if not hello.get("isWritablePrimary"):
                return False
            try:
                # Allowed without a password as long as there is no user at all.
                client.admin.command("createUser", USER, pwd=password, roles=["root"])
            except OperationFailure as error:
                if error.code not in (_UNAUTHORIZED, _USER_EXISTS):
                    raise
    except ConnectionFailure:
        return False
    return True


def _configure(client: MongoClient[dict[str, Any]], port: int, password: str) -> None:
    member = f"127.0.0.1:{port}"
    config: dict[str, Any] = {"_id": NAME, "members": [{"_id": 0, "host": member}]}
    # The default election timeout would cost ten seconds; one member has nobody to wait for.
    config["settings"] = {"electionTimeoutMillis": 500}
    try:
        client.admin.command("replSetInitiate", config)
    except OperationFailure as error:
        if error.code not in (_UNAUTHORIZED, _ALREADY_INITIALIZED):
            raise
        with MongoClient[dict[str, Any]](address(port, password)) as known:
            try:
                current = known.admin.command("replSetGetConfig")["config"]
            except OperationFailure as unknown:
                if unknown.code == _NOT_YET_INITIALIZED:  # It is not read from the disk yet.
                    return
                raise
            if current["members"][0]["host"] == member:
                return
            current["members"][0]["host"] = member
            current["version"] += 1
            known.admin.command("replSetReconfig", current, force=True)
