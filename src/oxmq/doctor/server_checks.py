"""Judge what the server is: its make, its version, its role."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from oxmq.doctor.facts import ServerFacts
from oxmq.doctor.finding import Finding, Level

#: Scripts that begin with a shebang came with it: the server refuses what it cannot do before their first line.
_OLDEST_REDIS: Final = (7, 0)

_LUA_HOLE: Final = ("CVE-2025-49844", "whoever may run scripts may run code of their own on the server's host")
_UNBLOCK_HOLE: Final = ("CVE-2026-23479", "whoever may log in may damage the server's memory")

#: For each make and branch: the first release without the hole, and the hole. Branches without an entry are not judged.
_HOLES: Final[dict[tuple[str, tuple[int, ...]], tuple[int, tuple[str, str]]]] = {
    ("Redis", (7, 2)): (11, _LUA_HOLE),
    ("Redis", (7, 4)): (6, _LUA_HOLE),
    ("Redis", (8, 0)): (4, _LUA_HOLE),
    ("Redis", (8, 2)): (2, _LUA_HOLE),
    ("Redis", (8, 6)): (3, _UNBLOCK_HOLE),
    ("Valkey", (7, 2)): (11, _LUA_HOLE),
    ("Valkey", (8, 0)): (6, _LUA_HOLE),
    ("Valkey", (8, 1)): (4, _LUA_HOLE),
}


def check_server(facts: ServerFacts) -> Iterator[Finding]:
    """Judge make, version, mode and role."""
    if not facts.version:
        yield Finding(Level.WARNING, "server", "its version is not known", "INFO could not be read")
        return
    yield _check_version(facts)
    yield from _check_holes(facts)
    yield from _check_mode(facts)
    if facts.info.get("role") in ("slave", "replica"):
        yield Finding(
            Level.ERROR, "role", "this server is a replica", "it takes no writes: no job can be added or run",
            (f"use the address of its primary: {facts.info.get('master_host')}:{facts.info.get('master_port')}",),
        )  # fmt: skip


def _check_version(facts: ServerFacts) -> Finding:
    what = f"{facts.kind} {facts.version}"
    if facts.kind == "Dragonfly":
        return Finding(Level.WARNING, "server", what, "oxmq is tested with Redis and Valkey")
    if facts.kind == "Redis" and facts.version_numbers < _OLDEST_REDIS:
        why = "oxmq's scripts need Redis 7.0 or later, or Valkey: no job can be added or run"
        return Finding(Level.ERROR, "server", what, why, ("upgrade to Redis 7.2 or later, or to Valkey 8 or later",))
    return Finding(Level.OK, "server", what)


def _check_holes(facts: ServerFacts) -> Iterator[Finding]:
    numbers = (*facts.version_numbers, 0, 0, 0)
    fixed, (name, why) = _HOLES.get((facts.kind, numbers[:2]), (0, ("", "")))
    if numbers[2] < fixed:
        closed = ".".join(map(str, (*numbers[:2], fixed)))
        what = f"{facts.kind} {facts.version} has {name}, unless your distribution has closed it"
        yield Finding(Level.WARNING, "security", what, why, (f"upgrade to {facts.kind} {closed} or later",))


def _check_mode(facts: ServerFacts) -> Iterator[Finding]:
    mode = facts.info.get("server_mode") or facts.info.get("redis_mode")
    if mode == "sentinel":
        fix = "give the service's name: --url redis+sentinel://host:26379/name"
        yield Finding(Level.ERROR, "role", "this is a Sentinel, which keeps no data", "no job can be added", (fix,))
    elif mode == "cluster":
        why = "oxmq talks to one server: a queue whose keys belong to another node of the cluster cannot be used"
        yield Finding(Level.WARNING, "role", "this server is a node of a cluster", why)
