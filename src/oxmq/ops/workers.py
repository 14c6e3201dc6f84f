"""Describe how the connections of workers and of readers of events are found: by their names."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from oxmq.keys import QueueKeys
from oxmq.ops.call import Call, command


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


def _clients(reply: bytes) -> list[dict[str, str]]:
    lines = reply.decode(errors="replace").splitlines()
    return [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in lines]


def _facts(raw: Mapping[str, str]) -> tuple[str, int, int, Mapping[str, str]]:
    return raw.get("addr", ""), int(raw.get("age", 0)), int(raw.get("idle", 0)), raw
