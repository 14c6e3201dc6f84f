"""The script by which workers say that they are there."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import structs

from oxmq import BackendError
from oxmq.ops import heartbeats
from oxmq.ops.heartbeats import Heartbeat
from tests.scripts.bench import NOW, Bench

HEARTBEAT = Heartbeat(
    at_ms=NOW, id="w1", name="one", host="host", pid=7, version="1.0", started_ms=NOW - 5, slots=4, busy=1,
    jobs=[("a", "send", NOW - 3)], rss=1_000, loop_lag=0.25, since_fetch=0.5, healthy=True, reason="", paused=False,
    completed=3, failed=1,
)  # fmt: skip


def beat(bench: Bench, worker: str = "w1", at_ms: int = NOW, *, sweep: bool = False) -> int:
    heartbeat = structs.replace(HEARTBEAT, id=worker, at_ms=at_ms)
    return bench.run(heartbeats.beat(bench.keys, heartbeat, sweep=sweep))


def known(bench: Bench) -> list[str]:
    return [heartbeat.id for heartbeat in bench.run(heartbeats.get_heartbeats(bench.keys))]


def test_what_is_said_is_read_again(bench: Bench) -> None:
    beat(bench)
    assert bench.run(heartbeats.get_heartbeats(bench.keys)) == [HEARTBEAT]
    assert 590_000 < bench.client.pttl(bench.of("oxmq:workers")) <= 600_000
    assert list(bench.dump()) == ["bull:q:oxmq:workers"]


def test_the_last_word_counts(bench: Bench) -> None:
    beat(bench)
    beat(bench, at_ms=NOW + 5)
    assert [heartbeat.at_ms for heartbeat in bench.run(heartbeats.get_heartbeats(bench.keys))] == [NOW + 5]


def test_those_that_have_been_silent_are_forgotten(bench: Bench) -> None:
    beat(bench, "old", NOW - 60_001)
    beat(bench, "just", NOW - 60_000)
    assert beat(bench) == 0
    assert beat(bench, sweep=True) == 1
    assert known(bench) == ["just", "w1"]


def test_a_clock_that_went_back_does_not_make_a_worker_forget_itself(bench: Bench) -> None:
    beat(bench, at_ms=NOW + 600_000)
    assert beat(bench, at_ms=NOW, sweep=True) == 0
    assert known(bench) == ["w1"]


def test_one_that_stops_is_forgotten(bench: Bench) -> None:
    beat(bench)
    beat(bench, "w2")
    bench.run(heartbeats.forget(bench.keys, "w1"))
    assert known(bench) == ["w2"]


@pytest.mark.parametrize("value", ["", "{", "[]", "{}", '{"at_ms":"x"}', b"\xff"])
def test_what_cannot_be_read_is_left_out_and_swept_away(bench: Bench, value: str) -> None:
    bench.client.hset(bench.of("oxmq:workers"), "strange", value)
    beat(bench)
    assert known(bench) == ["w1"]
    assert beat(bench, sweep=True) == 1


def test_a_beat_begins_with_its_time(bench: Bench) -> None:
    """The script that forgets silent workers looks for it there."""
    assert msgspec.json.encode(HEARTBEAT).startswith(b'{"at_ms":1700000000000,')


def test_a_key_of_a_wrong_type_is_an_error(bench: Bench) -> None:
    bench.client.set(bench.of("oxmq:workers"), "text")
    for do in (lambda: beat(bench, sweep=True), lambda: known(bench)):
        with pytest.raises(BackendError, match=r"WRONGTYPE|wrong kind of value"):
            do()
