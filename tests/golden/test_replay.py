"""Every golden scenario that this release covers ends with BullMQ's keyspace, replies and errors."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from oxmq import Job, ManualClock, Queue, Worker, cron, every
from tests.golden.fixture import FIXTURES, LEADING_VERSION, Fixture, read_fixture, read_fixtures
from tests.golden.keyspace import Commands, connect, differences, dump, load
from tests.golden.replay import deviations, lacking
from tests.golden.spelling import milliseconds
from tests.support.servers import RedisServer

_DEBOUNCED: Final = "what is deduplicated is told by one event; v5 tells it by a second one of an older name, too"
_NEXT: Final = "a job of a scheduler does not name the one that follows it; in v5 it does, in a field that v6 dropped"

#: Where BullMQ 5 writes something else and we do as BullMQ 6: what v5 leaves is not what we are measured by.
FOLLOWS_LEADING_VERSION: Final = {
    "add-validation-errors": "the highest priority is 2097151; v5 accepts 2097152, whose score has lost its counter",
    "dedup-debounce": _DEBOUNCED,
    "dedup-keep-last": "keepLastIfActive parks the newest job; v5 does not know the option",
    "dedup-replace-keepttl": _DEBOUNCED,
    "dedup-replace-no-ttl": _DEBOUNCED,
    "dedup-simple": _DEBOUNCED,
    "dedup-stale-key": "a key whose job is gone is taken over; in v5 it keeps jobs out for ever",
    "dedup-ttl": _DEBOUNCED,
    "dedup-ttl-extend": _DEBOUNCED,
    "existing-child-parent-conflict": "a child whose parent is gone can get another one; in v5 it cannot",
    "failed-retry-fetch-next": "a delayed retry may fetch the next job in the same call; v5 never does",
    "flow-existing-child": "a parent is released when all of its flow is in; v5 may release it before that",
    "flow-retry-child-idof": "a child whose failure was ignored can be retried; v5 stops half way",
    "getters": "there is no state `paused`, and Prometheus learns of the jobs that ended; v5 is the reverse",
    "markers": "operations on a paused queue leave ready jobs in `wait`, which decides who writes the marker",
    "obliterate": "a paused queue keeps its ready jobs in `wait`; v5 moves them to the list `paused`",
    "paused": "a paused queue keeps its ready jobs in `wait`; v5 moves them to the list `paused`",
    "rate-limit-deferred-failure": "a job with a deferred failure does not count against the limiter; in v5 it does",
    "remove-on-complete-age": "one finish sweeps at most `limit` old jobs; v5 sweeps them all",
    "retry-failed-prioritized": "a retried job keeps its priority; v5 puts it among those without",
    "scheduler-cron": _NEXT,
    "scheduler-cron-immediately": _NEXT,
    "scheduler-every": _NEXT,
    "scheduler-every-late": _NEXT,
    "scheduler-every-offset": "an interval's offset holds from the first job on; v5 ignores it",
    "scheduler-limit": _NEXT,
    "scheduler-slot-collision": "up to 32 slots are tried for a job of an interval; v5 tries one more",
    "scheduler-update-while-active": _NEXT,
    "scheduler-upsert-paused": "a paused queue keeps its ready jobs in `wait`, where an upsert does not look for them",
}

#: Our own fixtures that use what is refused here; each has a test of its own.
REFUSED: Final = {
    "add-options": "options must be known; BullMQ stores any",
    "legacy-repeatable": "schedules belong to job schedulers; v5 had them among a job's options, too",
}

FOLDER: Final = Path(os.environ.get("OXMQ_GOLDEN_DIR", FIXTURES))
COVERED: Final = [fixture for fixture in read_fixtures(FOLDER) if not lacking(fixture)]


@pytest.fixture
async def redis(golden_server: RedisServer) -> AsyncIterator[Commands]:
    client = connect(golden_server.url)
    yield client
    await client.aclose()


def expectation(fixture: Fixture) -> Fixture:
    """Return the fixture whose outcome counts: the leading version's where we follow it by design.

    Without such a twin the fixture counts as it is.
    """
    if fixture.version == LEADING_VERSION or fixture.name not in FOLLOWS_LEADING_VERSION:
        return fixture
    return fixture.twin or fixture


@pytest.mark.parametrize("fixture", COVERED, ids=lambda fixture: fixture.path.stem)
async def test_a_scenario_ends_as_with_bullmq(fixture: Fixture, golden_server: RedisServer, redis: Commands) -> None:
    found = await deviations(fixture, expectation(fixture), golden_server.url, redis)
    assert not found, "\n".join([fixture.name, *found])


def test_the_list_of_scenarios_that_are_not_covered_is_exact() -> None:
    names = {fixture.name for fixture in read_fixtures(FIXTURES) if lacking(fixture)}
    assert names == REFUSED.keys()


async def test_options_are_stored_as_bullmq_stores_them(golden_server: RedisServer, redis: Commands) -> None:
    """The scenario `add-options`, without the option that nobody knows."""
    fixture = without_option(read_fixture(FIXTURES / "add-options.6.7.0.json"), "x")
    assert not lacking(fixture)
    assert not await deviations(fixture, fixture, golden_server.url, redis)


def without_option(fixture: Fixture, unknown: str) -> Fixture:
    """Return a fixture without an option that is stored under its own name."""
    made = copy.deepcopy(fixture)
    for step in made.steps:
        step["args"][2].pop(unknown, None)
    for entry in made.keys.values():
        if entry["type"] == "hash" and "opts" in entry["value"]:
            opts = json.loads(entry["value"]["opts"])
            entry["value"]["opts"] = json.dumps({name: opts[name] for name in opts if name != unknown})
    return made


async def test_legacy_repeatables_are_shown_and_left_alone(golden_server: RedisServer, redis: Commands) -> None:
    """The scenario `legacy-repeatable`: what it leaves in Redis is read here, not made."""
    fixture = read_fixture(FIXTURES / "legacy-repeatable.5.66.5.json")
    await load(redis, fixture.keys)
    async with Queue("golden", connection=golden_server.url, clock=ManualClock(fixture.start_ms)) as queue:
        found = {scheduler.id: scheduler for scheduler in await queue.get_job_schedulers()}
        assert await queue.get_job_scheduler("mykey") == found["mykey"]
        assert await queue.get_job_schedulers_count() == 3
    assert {scheduler.legacy for scheduler in found.values()} == {True}
    assert [scheduler.name for scheduler in found.values()] == ["rep"] * 3
    assert (found["mykey"].schedule, milliseconds(found["mykey"].next)) == (every(10), 1_700_000_010_000)
    assert found["d99c30e0d634a5eb08978da41afd40eb"].schedule == cron("0 0 0 1 1 *", tz="UTC")
    assert not differences(fixture.keys, await dump(redis))


async def test_a_legacy_repeatable_goes_on_when_it_is_processed(golden_server: RedisServer, redis: Commands) -> None:
    """Those in the newer of the two forms do so with BullMQ 6, too."""
    fixture = read_fixture(FIXTURES / "legacy-repeatable.5.66.5.json")
    await load(redis, fixture.keys)
    clock = ManualClock(1_700_000_010_000)
    async with Worker("golden", _do_nothing, connection=golden_server.url, clock=clock) as worker:
        taken = [await worker.get_next_job(f"t{number}") for number in range(3)]
    assert [job and job.data for job in taken] == [{"a": 2}, {"a": 3}, None]
    left = await dump(redis)
    assert dict(left["bull:golden:repeat"]["value"])["mykey"] == "1700000020000"
    assert left["bull:golden:repeat:mykey:1700000020000"]["value"]["name"] == "rep"


async def _do_nothing(_job: Job[object]) -> None:
    """Stand in for a handler: the jobs are taken by hand."""


# ---- the replay itself: it must not overlook what is wrong ------------------------------------------------------


async def test_a_wrong_field_a_wrong_reply_and_a_wrong_code_are_found(
    golden_server: RedisServer, redis: Commands
) -> None:
    fixture = read_fixture(FIXTURES / "finish-errors.6.7.0.json")
    wrong = copy.deepcopy(fixture)
    wrong.keys["bull:golden:2"]["value"]["timestamp"] = "1"
    wrong.steps[2]["returns"] = {"$job": "2"}
    wrong.steps[3]["error"]["code"] = -1
    del wrong.steps[4]["error"]
    found = await deviations(fixture, wrong, golden_server.url, redis)
    assert [line.split(":")[0].split(" ")[0] for line in found] == [
        "worker.getNextJob",
        "job.moveToCompleted",
        "job.moveToCompleted",
        "bull",
    ]
    assert "expected code -1, raised LockLostError" in found[1]
    assert "raised LockLostError" in found[2]
    assert found[3].endswith('value timestamp: expected "1", found "1700000000000"')


async def test_a_wrong_snapshot_is_found(golden_server: RedisServer, redis: Commands) -> None:
    fixture = read_fixture(FIXTURES / "failed-retry-now.6.7.0.json")
    wrong = copy.deepcopy(fixture)
    wrong.snapshots["after-first-failure"]["bull:golden:wait"]["value"] = ["9"]
    found = await deviations(fixture, wrong, golden_server.url, redis)
    assert found == ['snapshot after-first-failure: bull:golden:wait value: expected ["9"], found ["1"]']
