"""The script that ends runs: the job that was remembered while the owner of its deduplication id ran."""

from __future__ import annotations

import json
from typing import Any

import pytest

from oxmq.ops.jobs import NewJob
from oxmq.options import Deduplication
from tests.scripts.bench import PRIORITY, STEP, Bench, Options, draft, plain_hash
from tests.scripts.relations import LATER, lay_parent

OWNER, PARKED = "bull:q:de:d", "bull:q:dn:d"
KEEP_LAST = Deduplication("d", keep_last_if_active=True)


def last(job_id: str, deduplication: Deduplication = KEEP_LAST, **options: Any) -> NewJob:
    return draft(job_id, deduplication=deduplication, **options)


def run_owner(bench: Bench, *later: NewJob) -> None:
    """Have the owner `a` run while others come."""
    bench.add_drafted(last("a"))
    assert bench.taken_ids() == ["a"]
    bench.add_drafted(*later)
    bench.clear_marker()
    bench.forget_events()


def end(bench: Bench, ending: str, job_id: str = "a", **fields: Any) -> None:
    bench.finish(bench.complete(job_id, **fields) if ending == "completed" else bench.fail(job_id, **fields), now=LATER)


every_ending = pytest.mark.parametrize("ending", ["completed", "failed"])
TOLD = {
    "completed": "completed jobId=a returnvalue=1 prev=active",
    "failed": "failed jobId=a failedReason=no prev=active",
}


@every_ending
@pytest.mark.parametrize("keep_count", [-1, 0])
def test_the_newest_takes_its_turn_when_the_owner_ends(bench: Bench, ending: str, keep_count: int) -> None:
    newest = draft("c", deduplication=KEEP_LAST, attempts=3)
    run_owner(bench, last("b"), newest)
    end(bench, ending, keep_count=keep_count, attempts=5)
    assert bench.hash("c") == {k: str(v) for k, v in plain_hash(timestamp=LATER, deid="d").items()} | {
        "opts": newest.opts.decode()
    }
    assert (bench.client.get(OWNER), bench.client.pttl(OWNER)) == ("c", -1)
    assert not bench.client.exists(PARKED, "bull:q:b")
    assert bench.in_line("wait") == ["c"]
    assert bench.client.get("bull:q:id") == "4"
    assert bench.marker() == {"0": 0}
    assert bench.events() == ["added jobId=c name=job", "waiting jobId=c", TOLD[ending]]


@pytest.mark.parametrize(
    ("options", "event"),
    [
        ({"delay": 0.5, "priority": 2}, f"delayed jobId=b delay={LATER + 500}"),
        ({"priority": 2}, "waiting jobId=b"),
        ({"lifo": True}, "waiting jobId=b"),
    ],
)
def test_it_goes_where_its_options_say(bench: Bench, options: Options, event: str) -> None:
    run_owner(bench, last("b", **options))
    bench.add("x")
    bench.forget_events()
    end(bench, "completed")
    if "delay" in options:
        assert bench.scores("delayed") == {"b": (LATER + 500) * STEP}
        assert bench.hash("b").items() >= {"delay": "500", "priority": "2"}.items()
        assert bench.marker() == {"0": 0, "1": LATER + 500}
    elif "priority" in options:
        assert bench.scores("prioritized") == {"b": 2 * PRIORITY + 1}
    else:
        assert bench.in_line("wait") == ["b", "x"]
    assert bench.events()[:2] == ["added jobId=b name=job", event]


def test_it_can_be_the_next_job_of_the_same_call(bench: Bench) -> None:
    run_owner(bench, last("b"))
    assert [record.id for record in bench.finish(bench.complete("a"), count=1).taken.jobs] == ["b"]


def test_it_owns_the_id_from_then_on(bench: Bench) -> None:
    run_owner(bench, last("b"))
    end(bench, "completed")
    assert bench.add_drafted(last("c")) == ["b"]
    assert bench.taken_ids(token="second") == ["b"]
    assert bench.add_drafted(last("d")) == ["b"]
    assert bench.client.hget(PARKED, "jid") == "d"
    bench.finish(bench.complete("b", token="second"))
    assert bench.in_line("wait") == ["d"]


@pytest.mark.parametrize("kind", ["retry", "delay", "postpone", "release", "park"])
def test_it_waits_on_while_the_owner_is_not_done(bench: Bench, kind: str) -> None:
    run_owner(bench, last("b"))
    bench.finish(bench.outcome("a", kind, delay_ms=500))
    assert bench.client.get(OWNER) == "a"
    assert bench.client.hget(PARKED, "jid") == "b"
    assert not bench.client.exists("bull:q:b")


def test_a_paused_queue_is_not_woken(bench: Bench) -> None:
    run_owner(bench, last("b"))
    bench.client.hset("bull:q:meta", "paused", 1)
    end(bench, "completed")
    assert bench.in_line("wait") == ["b"]
    assert bench.marker() == {}


def test_owners_of_one_batch_each_have_their_own(bench: Bench) -> None:
    for name in "ab":
        bench.add_drafted(last(name, Deduplication(name, keep_last_if_active=True)))
    assert bench.taken_ids(2) == ["a", "b"]
    for name in "ab":
        bench.add_drafted(last(f"{name}2", Deduplication(name, keep_last_if_active=True)))
    bench.finish(bench.complete("a"), bench.fail("b"))
    assert bench.in_line("wait") == ["a2", "b2"]
    assert [bench.client.get(f"bull:q:de:{name}") for name in "ab"] == ["a2", "b2"]


# ---- as others may have written it ---------------------------------------------------------------------------------


def park(bench: Bench, options: Options, **fields: str) -> None:
    bench.client.hset(PARKED, mapping={"name": "job", "data": "{}", "opts": json.dumps(options), **fields})


@pytest.mark.parametrize(
    ("deduplication", "pttl"),
    [
        ({"id": "d", "ttl": 60_000}, 60_000),
        ({"id": "d", "ttl": 60_000, "keepLastIfActive": True}, -1),
        ({"id": "d"}, -1),
        (None, -1),
    ],
)
def test_its_claim_lives_as_its_own_options_say(bench: Bench, deduplication: dict[str, Any] | None, pttl: int) -> None:
    run_owner(bench)
    park(bench, {"de": deduplication} if deduplication else {}, jid="b")
    end(bench, "completed")
    left = bench.client.pttl(OWNER)
    assert (left if left < 0 else -(-left // 1_000) * 1_000) == pttl
    assert bench.client.get(OWNER) == "b"


def test_one_without_an_id_is_numbered(bench: Bench) -> None:
    run_owner(bench)
    park(bench, {})
    end(bench, "completed")
    assert bench.in_line("wait") == ["2"]
    assert bench.client.get(OWNER) == "2"


def test_one_with_a_parent_becomes_its_child(bench: Bench, base: str) -> None:
    parent = lay_parent(bench, base)
    run_owner(bench)
    relation = json.dumps({"id": "p", "queueKey": base[:-1], "fpof": True})
    park(bench, {}, jid="b", pk=parent, pd=relation, pdk=f"{parent}:dependencies", rjk="daily")
    end(bench, "completed")
    assert bench.hash("b").items() >= {"parentKey": parent, "parent": relation, "rjk": "daily"}.items()
    assert bench.client.smembers(f"{parent}:dependencies") == {"bull:q:b"}


def test_one_whose_id_is_taken_by_then_is_left_out(bench: Bench) -> None:
    run_owner(bench, last("b"))
    bench.add("b")
    before = bench.hash("b")
    end(bench, "completed")
    assert bench.hash("b") == before
    assert bench.in_line("wait") == ["b"]
    assert not bench.client.exists(PARKED, OWNER)


def test_without_a_deduplication_id_nothing_is_looked_for(bench: Bench) -> None:
    bench.start("a")
    park(bench, {}, jid="b")
    end(bench, "completed")
    assert bench.client.exists(PARKED) == 1
    assert not bench.client.exists("bull:q:b")
