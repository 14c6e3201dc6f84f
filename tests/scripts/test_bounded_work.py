"""One call does so much and no more, however many jobs there are: nobody else has to wait for long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from oxmq.ops import administration, queues
from oxmq.ops.administration import Place
from oxmq.ops.call import MAX_ROWS, Call
from oxmq.scripts import SCRIPTS
from tests.scripts.bench import NOW, Bench, plain_hash

#: How many jobs there are: many times what one call looks at.
JOBS = 20 * MAX_ROWS
#: How many commands a script may run for each job that it looks at: to read it, to delete it, to tell of it.
COMMANDS = 8


def put(bench: Bench, container: str, made: int) -> None:
    """Put many jobs that were made at a moment into a container."""
    pipeline = bench.client.pipeline(transaction=False)
    for number in range(JOBS):
        job_id = f"repeat:s:{number}"
        pipeline.hset(bench.keys.job(job_id), mapping=plain_hash(timestamp=made))
        if container in ("wait", "paused", "active"):
            pipeline.lpush(bench.of(container), job_id)
        else:
            pipeline.zadd(bench.of(container), {job_id: made})
    pipeline.execute()


def commands_of(bench: Bench, call: Call[Any]) -> int:
    """Return how many commands the server runs for a call, those within the script among them."""
    assert call.script
    bench.client.script_load(call.script.text)
    bench.client.config_resetstat()
    bench.run(call)
    stats: dict[str, dict[str, int]] = bench.client.info("commandstats")
    return sum(stat["calls"] for name, stat in stats.items() if name != "cmdstat_config|resetstat")


def clean(container: str, most: int | None = None) -> Callable[[Bench], Call[Any]]:
    return lambda bench: administration.clean(bench.keys, container, NOW, Place(), most=most)


def drain(container: str) -> Callable[[Bench], Call[Any]]:
    return lambda bench: administration.drain(bench.keys, container, Place())


def requeue(state: str) -> Callable[[Bench], Call[Any]]:
    return lambda bench: administration.requeue(bench.keys, state, None, JOBS)


def obliterate(bench: Bench) -> Call[Any]:
    bench.run(queues.pause(bench.keys))
    return administration.obliterate(bench.keys, JOBS, force=True)


CALLS: dict[str, tuple[str, int, Callable[[Bench], Call[Any]]]] = {
    **{f"clean {name}, all old": (name, NOW, clean(name)) for name in ("wait", "active", "completed", "delayed")},
    **{f"clean {name}, all young": (name, NOW + 1, clean(name)) for name in ("wait", "completed", "prioritized")},
    "clean one": ("wait", NOW, clean("wait", 1)),
    **{f"drain {name}": (name, NOW, drain(name)) for name in ("wait", "prioritized", "delayed")},
    **{f"requeue {name}": (name, NOW, requeue(name)) for name in ("failed", "completed", "delayed")},
    **{f"obliterate {name}": (name, NOW, obliterate) for name in ("wait", "active", "completed", "waiting-children")},
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_does_no_more_than_its_share(bench: Bench, name: str) -> None:
    container, made, call = CALLS[name]
    put(bench, container, made)
    assert commands_of(bench, call(bench)) <= COMMANDS * MAX_ROWS


def test_a_call_that_deletes_nothing_still_ends(bench: Bench) -> None:
    put(bench, "wait", NOW)
    bench.client.zadd("bull:q:repeat", {"s": 3})
    place, looked = Place(), 0
    for _ in range(JOBS // MAX_ROWS):
        piece = bench.run(administration.clean(bench.keys, "wait", NOW - 1, place))
        assert (piece.looked, piece.ids) == (MAX_ROWS, [])
        place, looked = piece.place, looked + piece.looked
    assert not bench.run(administration.clean(bench.keys, "wait", NOW - 1, place)).more
    assert (looked, bench.client.llen("bull:q:wait")) == (JOBS, JOBS)


def test_an_orphan_is_looked_for_with_few_commands(bench: Bench) -> None:
    put(bench, "completed", NOW)
    ids = [f"repeat:s:{number}" for number in range(MAX_ROWS)]
    assert commands_of(bench, administration.remove_orphans(bench.keys, ids, None)) <= COMMANDS * MAX_ROWS


@pytest.mark.parametrize("name", ["clean", "drain", "obliterate", "requeue"])
def test_what_works_in_pieces_can_free_memory_when_there_is_none(name: str) -> None:
    assert ("allow-oom" in SCRIPTS[name].header.flags) is (name != "requeue")
