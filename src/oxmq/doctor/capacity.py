"""Judge how much the server can take: memory, connections, time."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from oxmq.doctor.facts import ServerFacts
from oxmq.doctor.finding import Finding, Level

#: What is left of memory or connections when it is time to do something.
_WARN_AT, _ALARM_AT = 0.8, 0.95
#: A round trip of more milliseconds makes each call of a web request slow.
_SLOW_TRIP_MS = 20.0
#: Clocks that are so many seconds apart make jobs late or early where a producer writes its own time.
_CLOCK_APART_S = 1.0


def check_capacity(facts: ServerFacts) -> Iterator[Finding]:
    """Judge memory, connections, the way to the server, and the clocks."""
    if facts.info:
        yield _check_eviction(facts)
        yield _check_memory(facts)
        yield _check_clients(facts)
    yield _check_trips(facts)
    yield _check_clocks(facts)


def _check_eviction(facts: ServerFacts) -> Finding:
    policy = facts.info.get("maxmemory_policy", "")
    if policy == "noeviction":
        return Finding(Level.OK, "eviction", "noeviction: the server throws no job away")
    if not policy:
        return Finding(Level.WARNING, "eviction", "the policy is not known", "any but noeviction may throw jobs away")
    why = "when memory runs out the server deletes keys of its choice: jobs vanish and queues break, without any error"
    fix = (facts.command("CONFIG", "SET", "maxmemory-policy", "noeviction"), facts.command("CONFIG", "REWRITE"))
    return Finding(Level.ERROR, "eviction", f"maxmemory-policy is {policy}", why, fix)


def _check_memory(facts: ServerFacts) -> Finding:
    used, limit = facts.number("used_memory"), facts.number("maxmemory")
    if not limit:
        return Finding(Level.OK, "memory", f"{_size(used)} used; no limit but the machine's")
    what = f"{_size(used)} of {_size(limit)} used ({used / limit:.0%})"
    level = _level(used / limit)
    if level is Level.OK:
        return Finding(level, "memory", what)
    fix = (facts.command("CONFIG", "SET", "maxmemory", str(2 * limit)), "or keep fewer finished jobs")
    return Finding(level, "memory", what, "when it is full no job can be added", fix)


def _check_clients(facts: ServerFacts) -> Finding:
    clients, limit = facts.number("connected_clients"), facts.number("maxclients")
    what = f"{clients} connected" + (f" of {limit} at most" if limit else "")
    level = _level(clients / limit) if limit else Level.OK
    if level is Level.OK:
        return Finding(level, "clients", what)
    fix = (facts.command("CONFIG", "SET", "maxclients", str(2 * limit)),)
    return Finding(level, "clients", what, "beyond that, workers and producers are turned away", fix)


def _check_trips(facts: ServerFacts) -> Finding:
    middle = statistics.median(facts.trips_ms)
    what = f"{middle:.2f} ms for a round trip, {max(facts.trips_ms):.2f} ms at worst (of {len(facts.trips_ms)})"
    if middle <= _SLOW_TRIP_MS:
        return Finding(Level.OK, "latency", what)
    why = "each enqueue waits for one, and a worker for one between two batches of jobs"
    return Finding(Level.WARNING, "latency", what, why, ("run workers and producers near the server",))


def _check_clocks(facts: ServerFacts) -> Finding:
    apart = abs(facts.ahead_s)
    what = f"the server's is {apart * 1000:.0f} ms {'ahead of' if facts.ahead_s >= 0 else 'behind'} this host's"
    if apart <= _CLOCK_APART_S:
        return Finding(Level.OK, "clock", what)
    why = "oxmq follows the server's clock; delayed jobs that other libraries add come early or late by as much"
    return Finding(
        Level.WARNING, "clock", what, why, ("let a time service such as chrony set the clocks of all hosts",)
    )


def _level(share: float) -> Level:
    if share >= _ALARM_AT:
        return Level.ERROR
    return Level.WARNING if share >= _WARN_AT else Level.OK


def _size(count: float) -> str:
    for unit in ("bytes", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"
