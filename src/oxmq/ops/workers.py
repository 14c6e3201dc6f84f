"""Describe how the connections of workers and of readers of events are found: by their names."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping

from msgspec import Struct

from oxmq.keys import QueueKeys
from oxmq.ops.call import Call, command

_NAMED = re.compile(r" name=(\S+)")


class ClientInfo(Struct, frozen=True):
    """Hold what the server says of a connection.

    Attributes:
        addr: the client's address, ``host:port``.
        age: for how long it is connected, in seconds.
        idle: for how long it has sent nothing, in seconds.
        raw: all that the server says, as text; what there is depends on the server.
    """

    addr: str
    age: int
    idle: int
    raw: Mapping[str, str]


class WorkerInfo(ClientInfo, frozen=True):
    """Hold what the server says of a worker's connection.

    Attributes:
        name: the worker's name; empty when it has none.
    """

    name: str


def get_workers(keys: QueueKeys) -> Call[list[WorkerInfo]]:
    """Find the queue's workers, in whatever process and of whatever library. Some servers forbid this."""
    name = keys.client_name

    def decode(reply: bytes) -> list[WorkerInfo]:
        found: list[WorkerInfo] = []
        for raw in _clients(reply):
            client = raw.get("name", "")
            if is_worker_of(keys, client):
                found.append(WorkerInfo(*_facts(raw), name=client.removeprefix(name).removeprefix(":w:")))
        return found

    return command("CLIENT", "LIST", decode=decode)


class WorkerClient(Struct, frozen=True, kw_only=True):
    """Hold the connection by which a worker waits for jobs.

    Attributes:
        id: the connection's.
        queue: the queue that the worker works.
        name: the worker's name; empty when it has none.
        addr: the client's address, ``host:port``.
        age: for how long it is connected, in seconds.
        library: by which library; empty where that does not say so, None where the server (Redis 7.0) does not.
    """

    id: str
    queue: str
    name: str
    addr: str
    age: int
    library: str | None


class Clients(Struct, frozen=True):
    """Hold who is connected to a server.

    Attributes:
        workers: connections of workers of queues of one prefix.
        roles: how many connections there are of each role: ``worker``, ``events`` (readers of events) and ``other``.
    """

    workers: list[WorkerClient]
    roles: dict[str, int]


def get_clients(prefix: str) -> Call[Clients]:
    """Find the workers of all queues of a prefix at once. Some servers forbid this."""
    return command("CLIENT", "LIST", decode=lambda reply: _sorted_clients(reply, f"{prefix}:"))


def is_worker_of(keys: QueueKeys, client_name: str) -> bool:
    """Tell whether a connection of that name is a worker's of the queue."""
    name = keys.client_name
    return client_name == name or client_name.startswith(f"{name}:w:")


def get_queue_events(keys: QueueKeys) -> Call[list[ClientInfo]]:
    """Find those who read the queue's events."""
    name = f"{keys.client_name}:qe"

    def decode(reply: bytes) -> list[ClientInfo]:
        return [ClientInfo(*_facts(raw)) for raw in _clients(reply) if raw.get("name") == name]

    return command("CLIENT", "LIST", decode=decode)


def _sorted_clients(reply: bytes, start: str) -> Clients:
    lines = reply.decode(errors="replace").splitlines()
    roles = {"worker": 0, "events": 0, "other": 0}
    workers: list[WorkerClient] = []
    for line in lines:
        # There may be thousands of connections, of which few have a name.
        client = _NAMED.search(line)
        role = "other"
        if client is not None and client[1].startswith(start):
            queue, _, rest = client[1].removeprefix(start).partition(":")
            role = "events" if rest == "qe" else "worker" if rest.startswith("w:") or not rest else "other"
            if role == "worker" and (name := _queue_name(queue)):
                workers.append(_worker_client(line, name, rest.removeprefix("w:")))
        roles[role] += 1
    return Clients(workers, roles)


def _worker_client(line: str, queue: str, name: str) -> WorkerClient:
    raw = dict(word.split("=", 1) for word in line.split() if "=" in word)
    return WorkerClient(
        id=raw.get("id", ""),
        queue=queue,
        name=name,
        addr=raw.get("addr", ""),
        age=int(raw.get("age", 0)),
        library=raw.get("lib-name"),
    )


def _queue_name(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""  # some other client's name that only looks like a worker's


def _clients(reply: bytes) -> list[dict[str, str]]:
    lines = reply.decode(errors="replace").splitlines()
    return [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in lines]


def _facts(raw: Mapping[str, str]) -> tuple[str, int, int, Mapping[str, str]]:
    return raw.get("addr", ""), int(raw.get("age", 0)), int(raw.get("idle", 0)), raw
