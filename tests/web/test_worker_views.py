"""What is shown of workers, from what they say and from what the server knows."""

from __future__ import annotations

from typing import Any

import pytest

from oxmq.monitor.workers import Worker, judge, slots_of, workers_of
from oxmq.ops.heartbeats import Heartbeat
from oxmq.ops.running import RunningJob
from oxmq.ops.workers import WorkerClient, get_clients
from tests.web.test_attention import NOW, facts, heartbeat, seen


def client(name: str = "", id_: str = "7", library: str | None = "ioredis") -> WorkerClient:
    return WorkerClient(id=id_, queue="email", name=name, addr="10.0.0.1:5", age=60, library=library)


def job(id_: str, worker: str = "", lock_ms: int = 9_000) -> RunningJob:
    return RunningJob(id=id_, name="send", worker=worker, since_ms=NOW - 2_000, lock_ms=lock_ms)


def workers(*beats: Heartbeat, **fields: Any) -> list[Worker]:
    return workers_of(facts(seen(), heartbeats=list(beats), **fields), NOW)


@pytest.mark.parametrize(
    ("fields", "connected", "health", "reason"),
    [
        ({}, True, "ok", ""),
        ({}, False, "ok", ""),
        ({"at_ms": NOW - 20_000}, True, "stuck", "It has said nothing for 20 s."),
        ({"at_ms": NOW - 20_000}, False, "gone", "It was last heard of 20 s ago, and its connection is closed."),
        ({"healthy": False, "reason": "no answer"}, True, "stuck", "No answer."),
        ({"healthy": False}, True, "stuck", "It says that it makes no progress."),
        ({"jobs": [("lost", "send", NOW)]}, True, "stuck", "It runs job lost and does not renew its lock."),
        ({"jobs": [("held", "send", NOW)]}, True, "ok", ""),
        ({"paused": True}, True, "paused", "It was told to take no jobs."),
        ({"loop_lag": 2.5}, True, "slow", "Its event loop was blocked for 2.5 s."),
    ],
)
def test_how_a_worker_is(fields: dict[str, Any], connected: bool, health: str, reason: str) -> None:
    running = [job("held"), job("lost", lock_ms=-2)]
    assert judge(heartbeat(**fields), connected, True, running, NOW) == (health, reason)


def test_where_connections_cannot_be_listed_silence_alone_tells() -> None:
    assert judge(heartbeat(at_ms=NOW - 20_000), False, False, [], NOW)[0] == "stuck"
    assert judge(heartbeat(at_ms=NOW - 40_000), False, False, [], NOW)[0] == "gone"


def test_a_heartbeat_and_a_connection_are_one_worker() -> None:
    (worker,) = workers(heartbeat(name="w1", busy=1, jobs=[("a", "send", NOW - 500)]), clients=[client("w1")])
    assert (worker.kind, worker.id, worker.name, worker.address) == ("oxmq", "w", "w1", "10.0.0.1:5")
    assert (worker.connected_for, worker.slots, worker.last_fetch) == (60, 4, 1.1)
    assert [(each.id, each.name, each.running_for) for each in worker.jobs] == [("a", "send", 0.5)]


def test_a_nameless_worker_gets_a_nameless_connection_of_its_library() -> None:
    ours, theirs = workers(heartbeat(), clients=[client(), client(id_="8", library="redis-py(,asyncio)")])
    assert (ours.id, ours.address) == ("w", "10.0.0.1:5")
    assert (theirs.id, theirs.kind, theirs.health, theirs.host) == ("client-7", "other", "unknown", "10.0.0.1")


def test_a_nameless_worker_gets_a_nameless_connection_where_the_server_names_no_libraries() -> None:
    (ours,) = workers(heartbeat(), clients=[client(library=None)])
    assert (ours.id, ours.address) == ("w", "10.0.0.1:5")


def test_the_jobs_of_other_workers_are_told_by_name_or_where_there_is_one_alone() -> None:
    running = [job("1", "n1"), job("2"), job("3", "n1", lock_ms=-2)]
    named, nameless = workers(clients=[client("n1"), client()], running=running)
    assert [each.id for each in named.jobs] == ["1", "3"]
    assert (named.health, named.reason) == ("stuck", "It took job 3 and does not renew its lock.")
    assert [each.id for each in nameless.jobs] == ["2"]
    one, other = workers(clients=[client(), client(id_="8")], running=[job("2")])
    assert (one.busy, other.busy) == (0, 0)


def test_slots_of_a_worker_that_does_not_say() -> None:
    idle, busy = workers(clients=[client("a"), client("b")], running=[job("1", "b"), job("2", "b")])
    assert (slots_of(idle), slots_of(busy)) == (1, 2)


def test_clients_are_sorted_by_their_names() -> None:
    lines = [
        "id=1 addr=a:1 name=bull:ZW1haWw= age=5 idle=1 lib-name=ioredis",  # email
        "id=2 addr=a:2 name=bull:ZW1haWw=:w:one age=5",
        "id=3 addr=a:3 name=bull:ZW1haWw=:qe age=5",
        "id=4 addr=a:4 name= age=5",
        "id=5 addr=a:5 name=bull:not~base64 age=5",
        "id=6 addr=a:6 name=other:ZW1haWw= age=5",
    ]
    found = get_clients("bull").decode("\n".join(lines).encode() + b"\xff\n")
    assert [(each.id, each.queue, each.name, each.library) for each in found.workers] == [
        ("1", "email", "", "ioredis"),
        ("2", "email", "one", None),
    ]
    assert found.roles == {"worker": 3, "events": 1, "other": 2}
