"""Every golden scenario that this release covers ends with BullMQ's keyspace, replies and errors."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from tests.golden.fixture import FIXTURES, LEADING_VERSION, Fixture, read_fixture, read_fixtures
from tests.golden.keyspace import Commands, connect
from tests.golden.replay import deviations, lacking
from tests.support.servers import RedisServer

#: Where BullMQ 5 writes something else and we do as BullMQ 6: what v5 leaves is not what we are measured by.
FOLLOWS_LEADING_VERSION: Final = {
    "add-validation-errors": "the highest priority is 2097151; v5 accepts 2097152, whose score has lost its counter",
    "failed-retry-fetch-next": "a delayed retry may fetch the next job in the same call; v5 never does",
    "markers": "operations on a paused queue leave ready jobs in `wait`, which decides who writes the marker",
    "paused": "a paused queue keeps its ready jobs in `wait`; v5 moves them to the list `paused`",
    "rate-limit-deferred-failure": "a job with a deferred failure does not count against the limiter; in v5 it does",
    "remove-on-complete-age": "one finish sweeps at most `limit` old jobs; v5 sweeps them all",
    "retry-failed-prioritized": "a retried job keeps its priority; v5 puts it among those without",
}

#: Our own fixtures that use what this release does not have. The list shrinks with what is added, never by accident.
NOT_COVERED: Final = [
    "add-options",
    "bulk-with-parent",
    "child-removed-on-fail",
    "clean",
    "complete-with-pending-children",
    "custom-event",
    "dedup-debounce",
    "dedup-keep-last",
    "dedup-remove-key",
    "dedup-replace-keepttl",
    "dedup-replace-no-ttl",
    "dedup-reschedule",
    "dedup-simple",
    "dedup-ttl",
    "dedup-ttl-extend",
    "drain",
    "flow-child-fails-cpof",
    "flow-child-fails-fpof",
    "flow-child-fails-idof",
    "flow-child-fails-plain",
    "flow-child-fails-rdof",
    "flow-children-removed-on-complete",
    "flow-completed",
    "flow-delayed-prioritized-parent",
    "flow-existing-child",
    "flow-fpof-parent-processed",
    "flow-remove-child",
    "flow-remove-child-dependency",
    "flow-remove-parent",
    "flow-remove-parent-keep-children",
    "flow-retry-child",
    "flow-two-levels",
    "flow-uuid",
    "fpof-parent-delayed-and-active",
    "legacy-repeatable",
    "metrics",
    "obliterate",
    "retry-jobs",
    "scheduler-cron",
    "scheduler-cron-immediately",
    "scheduler-errors",
    "scheduler-every",
    "scheduler-every-late",
    "scheduler-every-offset",
    "scheduler-every-options",
    "scheduler-limit",
    "scheduler-remove",
    "scheduler-update",
    "scheduler-update-while-active",
    "scheduler-upsert-paused",
]

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
    assert sorted(names) == sorted(NOT_COVERED)


async def test_options_are_stored_as_bullmq_stores_them(golden_server: RedisServer, redis: Commands) -> None:
    """The scenario `add-options`, without the options that this release does not take."""
    fixture = without_options(
        read_fixture(FIXTURES / "add-options.6.7.0.json"), {"telemetry": ("tm", "omc"), "x": ("x",)}
    )
    assert not lacking(fixture)
    assert not await deviations(fixture, fixture, golden_server.url, redis)


def without_options(fixture: Fixture, unknown: dict[str, tuple[str, ...]]) -> Fixture:
    """Return a fixture without some options, given with the names under which they are stored."""
    made = copy.deepcopy(fixture)
    for step in made.steps:
        for option in unknown:
            step["args"][2].pop(option, None)
    for entry in made.keys.values():
        if entry["type"] == "hash" and "opts" in entry["value"]:
            stored = {name for names in unknown.values() for name in names}
            opts = json.loads(entry["value"]["opts"])
            entry["value"]["opts"] = json.dumps({name: opts[name] for name in opts if name not in stored})
    return made


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
