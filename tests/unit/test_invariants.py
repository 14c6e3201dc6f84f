from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from oxmq import Job, JobOptions, ManualClock, Queue, Worker
from oxmq.doctor.queues import dump_keys, find_queues
from oxmq.invariants import (
    RULES,
    Dump,
    Fields,
    Items,
    Knowledge,
    Members,
    Scores,
    Stream,
    Text,
    Value,
    Violation,
    violations,
)
from oxmq.transport.connect import Endpoint
from oxmq.transport.runner import AsyncRunner
from tests.golden.fixture import FIXTURES, Fixture, read_fixtures
from tests.support.servers import RedisServer
from tests.support.waiting import eventually

BASE = "bull:q:"
DUE = 1_800_000_000_000
STEP = 1 << 32
RUN = f"repeat:s:{DUE}"


def job(**fields: str) -> Fields:
    return Fields({"name": "n", "data": "", "opts": "{}", "timestamp": "1700000000000", "delay": "0"} | fields)


def whole() -> dict[str, Value]:
    """Return a queue with a bit of everything, in which all is well."""
    ended = {"ats": "1", "atm": "1", "finishedOn": "1"}
    keys: dict[str, Value] = {
        "meta": Fields({"opts.maxLenEvents": "10"}),
        "id": Text("9"),
        "events": Stream(10),
        "wait": Items(("1", "child")),
        "active": Items(("2",)),
        "delayed": Scores({"3": DUE * 4096.0, RUN: DUE * 4096.0 + 1}),
        "prioritized": Scores({"4": 5.0 * STEP + 1}),
        "pc": Text("1"),
        "completed": Scores({"5": 1.0}),
        "failed": Scores({"6": 1.0}),
        "waiting-children": Scores({"parent": 1.0}),
        "marker": Scores({"0": 0.0}),
        "stalled": Members(frozenset({"2"})),
        "limiter": Text("1", 1000),
        "1": job(deid="d"),
        "1:logs": Items(("", "")),
        "2": job(ats="2", atm="1"),
        "2:lock": Text("token", 30_000),
        "3": job(delay="5"),
        "4": job(priority="5"),
        "5": job(returnvalue="", **ended),
        "6": job(failedReason="", **ended),
        "parent": job(),
        "parent:dependencies": Members(frozenset({f"{BASE}child", "bull:other:1"})),
        "parent:processed": Fields({f"{BASE}5": ""}),
        "child": job(parentKey=f"{BASE}parent"),
        "de:d": Text("1"),
        "repeat": Scores({"s": float(DUE)}),
        "repeat:s": Fields({"name": "n", "every": "1000", "ic": "2"}),
        RUN: job(rjk="s", delay="1000"),
        "metrics:completed": Fields({"count": "1"}),
        "metrics:completed:data": Items(("1",)),
    }
    return {BASE + name: value for name, value in keys.items()}


#: Each way of breaking a rule: the rule, what is changed (None: removed), what is known, and the key that shows it.
BREACHES: list[tuple[str, dict[str, Value | None], Knowledge, str]] = [
    ("K1", {"wait": Items(("1", "child", "4"))}, Knowledge(), "4"),
    ("K1", {"wait": Items(("1", "1", "child"))}, Knowledge(), "1"),
    ("K2", {"wait": Items(("1", "gone", "child"))}, Knowledge(), "gone"),
    ("K2", {"1": Fields({"timestamp": "1", "progress": ""})}, Knowledge(), "1"),
    ("K3", {"7": job()}, Knowledge(), "7"),
    ("K3", {"7": Fields({"progress": ""})}, Knowledge(), "7"),
    ("K3", {"7:logs": Items(("",))}, Knowledge(), "7:logs"),
    ("K4", {"1:lock": Text("token", 1)}, Knowledge(), "1:lock"),
    ("K4", {"2:lock": Text("token")}, Knowledge(), "2:lock"),
    ("K4", {}, Knowledge(lock_ms=10_000), "2:lock"),
    ("K5", {"stalled": Members(frozenset({"1"}))}, Knowledge(), "stalled"),
    ("K6", {"2:lock": None}, Knowledge(lock_ms=10, stalled_interval_ms=10, unlocked_ms={"2": 31}), "2"),
    ("K7", {"delayed": Scores({"3": float(DUE), RUN: DUE * 4096.0})}, Knowledge(), "delayed"),
    ("K7", {}, Knowledge(now_ms=DUE + 11, lateness_ms=10), "delayed"),
    ("K8", {"prioritized": Scores({"4": 6.0 * STEP + 1})}, Knowledge(), "prioritized"),
    ("K8", {"prioritized": Scores({"4": 5.0 * STEP + 2})}, Knowledge(), "prioritized"),
    ("K9", {"marker": Scores({"1": float(DUE)}), "limiter": None}, Knowledge(at_rest=True), "marker"),
    ("K9", {"marker": Scores({"1": DUE + 1.0})}, Knowledge(at_rest=True), "marker"),
    ("K9", {"marker": None}, Knowledge(at_rest=True), "marker"),
    ("K10", {"5": job(ats="1", atm="1", returnvalue="")}, Knowledge(), "5"),
    ("K10", {"6": job(ats="1", atm="1", finishedOn="1")}, Knowledge(), "6"),
    ("K10", {"2": job(ats="1", atm="2")}, Knowledge(), "2"),
    ("K10", {"2": job(ats="4", stc="3")}, Knowledge(max_stalled_count=1), "2"),
    ("K11", {"parent:dependencies": None}, Knowledge(), "parent"),
    ("K11", {"5:dependencies": Members(frozenset({"bull:other:1"}))}, Knowledge(), "5:dependencies"),
    ("K11", {"parent:failed": Fields({f"{BASE}child": ""})}, Knowledge(), "parent"),
    ("K11", {}, Knowledge(children={"parent": 4}), "parent"),
    ("K11", {"child": job(parentKey=f"{BASE}5")}, Knowledge(), "parent:dependencies"),
    ("K12", {"de:d": Text("5")}, Knowledge(), "de:d"),
    ("K12", {"de:d": Text("gone")}, Knowledge(), "de:d"),
    ("K13", {"wait": Items(("1", "child", "old")), "old": job(rjk="s")}, Knowledge(), "repeat:s"),
    ("K13", {RUN: None, "delayed": Scores({"3": DUE * 4096.0})}, Knowledge(), "repeat:s"),
    ("K13", {"repeat:s": None}, Knowledge(), "repeat"),
    ("K13", {"repeat": None}, Knowledge(), "repeat:s"),
    ("K14", {"events": Stream(3000)}, Knowledge(), "events"),
    ("K14", {"1": job(opts='{"kl":1}', deid="d")}, Knowledge(), "1:logs"),
    ("K14", {}, Knowledge(keep_logs=1), "1:logs"),
    ("K14", {}, Knowledge(keep_failed=0), "failed"),
    ("K14", {}, Knowledge(keep_metrics=0), "metrics:completed:data"),
    ("K15", {"limiter": Text("1")}, Knowledge(), "limiter"),
    ("K15", {"unknown": Text("1")}, Knowledge(), "unknown"),
    ("K15", {"stalled": Text("1")}, Knowledge(), "stalled"),
    ("K16", {"id": Text("5")}, Knowledge(), "id"),
    ("K16", {}, Knowledge(finished={"completed": 2}), "metrics:completed"),
]  # fmt: skip


def test_nothing_is_wrong_with_a_queue_in_which_all_is_well() -> None:
    known = Knowledge(
        now_ms=DUE, at_rest=True, lock_ms=30_000, stalled_interval_ms=1, max_stalled_count=1, lateness_ms=0,
        children={"parent": 3}, keep_completed=1, keep_failed=1, keep_logs=2, keep_metrics=1, finished={"completed": 1},
    )  # fmt: skip
    assert violations(whole(), BASE, known) == []


@pytest.mark.parametrize(("rule", "changes", "known", "key"), BREACHES)
def test_each_breach_is_found_and_nothing_else(
    rule: str, changes: dict[str, Value | None], known: Knowledge, key: str
) -> None:
    changed = whole() | {BASE + name: value for name, value in changes.items() if value is not None}
    dump = {name: value for name, value in changed.items() if changes.get(name.removeprefix(BASE), value) is not None}
    found = violations(dump, BASE, known)
    assert {(violation.rule, violation.key) for violation in found} == {(rule, BASE + key)}
    assert all(violation.words for violation in found)


def test_every_rule_has_a_breach_above() -> None:
    assert {rule for rule, *_ in BREACHES} == set(RULES)
    assert list(RULES) == [f"K{number}" for number in range(1, 17)]


def test_a_key_of_another_queue_does_not_belong_in_the_dump() -> None:
    found = violations(whole() | {"bull:other:1": job()}, BASE)
    assert found == [Violation("K15", "bull:other:1", "it is not a key of this queue")]


@pytest.mark.parametrize(
    "changes",
    [
        {"wait": Items(("0:0", "1", "child"))},
        {"meta": Fields({"paused": "1"}), "marker": Scores()},
        {"meta": Fields({"concurrency": "1"}), "marker": Scores({"1": float(DUE)})},
        {"repeat:s": Fields({"name": "n", "limit": "2", "ic": "2"}), RUN: job(ats="1", delay="1", rjk="s")},
        {"de:d": Text("gone", 1000)},
        {"a:b:failed": job(), "wait": Items(("1", "child", "a:b:failed"))},
    ],
    ids=["old-marker", "paused", "full", "schedule-at-its-end", "throttle", "id-like-a-part"],
)
def test_what_is_allowed_is_not_reported(changes: dict[str, Value]) -> None:
    dump = whole() | {BASE + name: value for name, value in changes.items()}
    assert violations(dump, BASE, Knowledge(at_rest=True)) == []


# ---- keyspaces that were really made -----------------------------------------------------------------------------

#: Scenarios that leave something broken on purpose, or by a mistake of BullMQ's own.
BROKEN = {
    ("finish-errors", "5.66.5"): {"K2", "K3"},
    ("finish-errors", "6.7.0"): {"K2", "K3"},
    ("scheduler-upsert-paused", "6.7.0"): {"K13"},
}


def from_golden(entry: dict[str, Any]) -> Value:
    value = entry["value"]
    make: dict[str, Callable[[], Value]] = {
        "string": lambda: Text(value, entry.get("pttl_approx")),
        "list": lambda: Items(tuple(value)),
        "set": lambda: Members(frozenset(value)),
        "zset": lambda: Scores({member: float(score) for member, score in value}),
        "hash": lambda: Fields(value),
        "stream": lambda: Stream(len(value)),
    }
    return make[entry["type"]]()


@pytest.mark.parametrize("fixture", read_fixtures(FIXTURES), ids=lambda fixture: fixture.path.stem)
def test_what_bullmq_itself_left_behind_obeys_the_rules(fixture: Fixture) -> None:
    found: set[str] = set()
    for keys in (fixture.keys, *fixture.snapshots.values()):
        for name in fixture.queues:
            base = f"bull:{name}:"
            dump = {key: from_golden(entry) for key, entry in keys.items() if key.startswith(base)}
            found |= {violation.rule for violation in violations(dump, base, Knowledge(at_rest=True))}
    assert found == BROKEN.get((fixture.name, fixture.version), set())


@pytest.fixture(scope="module")
def real_dump() -> Iterator[Dump]:
    with RedisServer("valkey") as server:
        yield asyncio.run(leave_a_bit_of_everything(server.url))


async def has_state(one: Job[Any], state: str) -> bool:
    return await one.get_state() == state


async def leave_a_bit_of_everything(url: str) -> Dump:
    clock = ManualClock()
    queue = Queue("q", url, clock=clock, default_job_options=JobOptions(attempts=2))

    async def process(current: Job[Any]) -> str:
        await current.log("a line")
        if current.data["fail"]:
            raise ValueError("as told")
        return "done"

    async with queue, Worker("q", process, url, clock=clock) as worker:
        ended = [await queue.add("n", {"fail": fail}) for fail in (False, True)]
        worker.start()
        for one, state in zip(ended, ("completed", "failed"), strict=True):
            await eventually(partial(has_state, one, state))
        await worker.close()
        await queue.add("n", {"fail": True}, priority=3)
        await queue.add("n", {}, delay=60)
        await queue.add_bulk([("n", {}) for _ in range(3)])
        async with Worker("q", process, url, clock=clock) as other:
            assert await other.get_next_job("token")
        runner = AsyncRunner(Endpoint(url))
        keys = (await find_queues(runner, "bull", ("q",), 1000))["q"]
        dump = await dump_keys(runner, keys, 1000)
        await runner.close()
        return dump


def test_a_real_run_leaves_a_keyspace_that_obeys_every_rule(real_dump: Dump) -> None:
    known = Knowledge(
        now_ms=ManualClock().now_ms(), at_rest=True, lock_ms=30_000, stalled_interval_ms=30_000, max_stalled_count=1,
        lateness_ms=0, keep_completed=1, keep_failed=1, keep_logs=2,
    )  # fmt: skip
    assert violations(real_dump, BASE, known) == []
    assert len(real_dump) > 15
    assert isinstance(real_dump[f"{BASE}active"], Items)
