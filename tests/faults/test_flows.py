"""Flows go on while workers are killed all the time: every parent ends, and none runs before its children have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from oxmq import FlowJob
from oxmq.sync import FlowProducer
from tests.faults.keyspace import PREFIX, Keyspace
from tests.faults.stage import Stage
from tests.support.checker import assert_sound
from tests.support.servers import RedisServer
from tests.support.waiting import eventually_sync

FLOWS = 50
LEVELS = 3
#: How many children each parent has.
WIDTH = 2
#: How many workers are killed at least.
KILLS = 6
#: How often a job may be recovered: so often that none fails for it.
MAX_STALLED = 20
UNFINISHED = ("wait", "paused", "active", "delayed", "prioritized", "waiting-children")

#: What the second leaf of each fifth flow does: its deed, and its options; the others complete.
LEAVES: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
    ({}, {}),
    ({"deed": "fail", "times": 9}, {"ignore_dependency_on_failure": True}),
    ({"deed": "fail", "times": 9}, {}),
    ({"deed": "fail", "times": 1}, {}),
    ({"deed": "fail", "times": 9}, {"remove_dependency_on_failure": True}),
)


@pytest.fixture
def stage(tmp_path: Path, server: RedisServer) -> Iterator[Stage]:
    """Return a stage on which jobs may be recovered often."""
    with Stage(tmp_path, server, max_stalled=MAX_STALLED) as prepared:
        yield prepared


def flow(number: int, queues: Sequence[str], key: str = "", levels: int = LEVELS) -> FlowJob:
    """Return a tree whose levels alternate between the queues; a job's key is its parent's, a dot and its place."""
    key = key or f"f{number}"
    below = [f"{key}.{place}" for place in range(WIDTH)] if levels > 1 else []
    deed, options = LEAVES[number % len(LEAVES)] if key == f"f{number}.0.1" else ({}, {})
    return FlowJob(
        "work",
        queues[0],
        {"key": key, "seconds": 0.3, **deed},
        options={"job_id": key, "attempts": 2, **options},
        children=[flow(number, queues[::-1], child, levels - 1) for child in below],
    )


def keys_of(tree: FlowJob) -> Iterator[str]:
    """Return the keys of a flow's jobs."""
    data: Any = tree.data
    yield data["key"]
    for child in tree.children:
        yield from keys_of(child)


def expected_state(key: str) -> str:
    """Return how a job must end: a leaf that fails for good fails those above it, where it does not say otherwise."""
    kind = int(key.partition(".")[0].removeprefix("f")) % len(LEAVES)
    rest = key.partition(".")[2]
    fails = rest == "0.1" if kind in (1, 4) else kind == 2 and rest in ("0.1", "0", "")
    return "failed" if fails else "completed"


def test_flows_end_while_workers_are_killed(stage: Stage, server: RedisServer) -> None:
    names = (stage.queue, f"{stage.queue}-other")
    flows = [flow(number, names) for number in range(FLOWS)]
    keys = {key for tree in flows for key in keys_of(tree)}
    stage.note_adds(keys)
    with server.client() as client:
        spaces = [Keyspace(client, server.url, name, MAX_STALLED) for name in names]
        for space in spaces:
            space.keep_all_events()
        with FlowProducer(server.url) as producer:
            producer.add_bulk(flows)
        kill_until_ended(stage, names, spaces)
        stage.stop_workers()
        jobs = [job for space in spaces for job in space.jobs()]
        assert_sound(stage.records, jobs)
        assert {job.key: job.state for job in jobs} == {key: expected_state(key) for key in keys}
        assert [space.contradictions() for space in spaces] == [[], []]
        assert_order(client, names)
    assert sum(job.stalled for job in jobs) > KILLS


def kill_until_ended(stage: Stage, names: Sequence[str], spaces: Sequence[Keyspace]) -> None:
    """Kill one worker after the other while it works, and start another for each, until all jobs have ended."""
    workers = [stage.start_workers(queue=name)[0] for name in (*names, *names)]
    kills = 0
    while any(space.count(*UNFINISHED) for space in spaces):
        begun = stage.count("start")
        eventually_sync(
            lambda: stage.count("start") > begun or not any(space.count(*UNFINISHED) for space in spaces),  # noqa: B023 - called at once
            15,
            "nothing goes on",
        )
        workers.pop(0).kill9()
        workers += stage.start_workers(queue=names[kills % 2])
        kills += 1
    assert kills >= KILLS, "the flows ended before anything had happened to them"


def assert_order(client: Any, names: Sequence[str]) -> None:
    """Check by the server's own clock that no parent was started before all its children had ended."""
    started: dict[str, int] = {}
    ended: dict[str, int] = {}
    below: dict[str, set[str]] = defaultdict(set)
    for name in names:
        for entry, fields in client.xrange(f"{PREFIX}:{name}:events"):
            key, at = fields.get("jobId", ""), int(entry.partition("-")[0])
            below[key.rpartition(".")[0]].add(key)
            if fields["event"] == "active":
                started.setdefault(key, at)
            elif fields["event"] in ("completed", "failed"):
                ended[key] = at
    parents = [key for key in started if below[key]]
    early = [key for key in parents if started[key] < max(ended[child] for child in below[key])]
    # What is only taken to be failed for one child does not wait for the other.
    assert [key for key in early if expected_state(key) == "completed"] == []
    assert len(parents) == FLOWS * (1 + WIDTH)
