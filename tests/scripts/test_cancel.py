"""The script that fails a job that has not begun, and asks whoever runs one to stop."""

from __future__ import annotations

import json
from typing import Any

import pytest

from oxmq.errors import JobNotFoundError, JobStateError, SchedulerJobError
from oxmq.ops import jobs
from tests.scripts.bench import NOW, PRIORITY, STEP, Bench, Options, adopt, draft, flags, make_flow, plain_hash, tree
from tests.scripts.relations import LATER, POLICIES, RELEASED, child, lay_parent, line, put

#: Where a job can be that has neither begun nor ended, and what the event of its failure calls the place.
WAITING = {
    "wait": "waiting", "paused": "paused", "prioritized": "prioritized", "delayed": "delayed",
    "waiting-children": "waiting-children",
}  # fmt: skip

every_place = pytest.mark.parametrize("where", WAITING)


def cancel(bench: Bench, job_id: str = "a", reason: str = "enough", keep_count: int = -1) -> bool:
    return bench.run(jobs.cancel(bench.keys, job_id, reason, LATER, keep_count))


def lay(bench: Bench, where: str, job_id: str = "a", **fields: Any) -> None:
    """Have a job somewhere in the queue, which others have used before."""
    bench.client.hset(bench.keys.job(job_id), mapping=plain_hash(**fields))
    put(bench, bench.keys.base, where, job_id)
    bench.client.hset("bull:q:meta", "opts.maxLenEvents", 10_000)


@every_place
def test_a_job_that_has_not_begun_fails_at_once(bench: Bench, where: str) -> None:
    lay(bench, where, "x")
    before = bench.dump()
    lay(bench, where)
    bench.client.rpush("bull:q:a:logs", "row")
    job = bench.hash("a")
    assert cancel(bench) is True
    expected = {**job, "failedReason": "enough", "finishedOn": str(LATER)}
    assert bench.dump("events") == before | {
        "bull:q:a": expected, "bull:q:a:logs": ["row"], "bull:q:failed": [("a", LATER)],
    }  # fmt: skip
    assert bench.events() == [f"failed jobId=a failedReason=enough prev={WAITING[where]}"]


def test_a_job_that_runs_is_asked_to_stop(bench: Bench) -> None:
    bench.start("a")
    before, job = bench.dump("a"), bench.hash("a")
    assert cancel(bench) is False
    assert bench.dump("a") == before
    assert bench.hash("a") == {**job, "defa": "enough", "cancelledOn": str(LATER)}


def test_whoever_takes_it_next_is_told(bench: Bench) -> None:
    bench.start("a")
    cancel(bench)
    bench.finish(bench.outcome("a", "retry"))
    (record,) = bench.take().jobs
    assert record.deferred_failure == "enough"


def test_a_run_that_fails_forgets_that_it_was_cancelled(bench: Bench) -> None:
    bench.start("a")
    cancel(bench)
    bench.finish(bench.fail("a", reason="enough"))
    assert not bench.hash("a").keys() & {"defa", "cancelledOn"}


@pytest.mark.parametrize("ending", ["failed", "completed"])
def test_a_job_that_is_run_again_is_not_cancelled_any_more(bench: Bench, ending: str) -> None:
    bench.start("a")
    cancel(bench)
    bench.finish(bench.fail("a") if ending == "failed" else bench.complete("a"))
    bench.run(jobs.retry(bench.keys, "a", ending, next_up=False, reset_made=False, reset_started=False))
    assert not bench.hash("a").keys() & {"defa", "cancelledOn"}


def test_one_that_was_asked_to_stop_and_waits_again_fails_at_once(bench: Bench) -> None:
    bench.start("a")
    cancel(bench, reason="first")
    bench.finish(bench.outcome("a", "delay", delay_ms=5_000))
    assert cancel(bench, reason="last") is True
    job = bench.hash("a")
    assert job["failedReason"] == "last"
    assert not job.keys() & {"defa", "cancelledOn"}


def test_a_waiting_job_that_is_to_be_failed_anyway_forgets_it(bench: Bench) -> None:
    lay(bench, "wait", defa="child bull:q:x failed")
    assert cancel(bench) is True
    assert "defa" not in bench.hash("a")


# ---- what stays ----------------------------------------------------------------------------------------------------


@every_place
def test_a_job_that_is_not_kept_leaves_nothing(bench: Bench, where: str) -> None:
    lay(bench, where, "x")
    before = bench.dump()
    lay(bench, where)
    bench.client.rpush("bull:q:a:logs", "row")
    assert cancel(bench, keep_count=0) is True
    assert bench.dump("events") == before
    assert bench.events() == [f"failed jobId=a failedReason=enough prev={WAITING[where]}"]


@pytest.mark.parametrize(("keep_count", "left"), [(1, ["a"]), (2, ["old1", "a"]), (-1, ["old0", "old1", "a"])])
def test_only_so_many_failed_jobs_are_kept(bench: Bench, keep_count: int, left: list[str]) -> None:
    for at, job_id in enumerate(("old0", "old1")):
        bench.client.hset(bench.keys.job(job_id), mapping=plain_hash())
        bench.client.zadd("bull:q:failed", {job_id: NOW + at})
    lay(bench, "wait")
    cancel(bench, keep_count=keep_count)
    assert list(bench.scores("failed")) == left
    assert sorted(key.removeprefix("bull:q:") for key in bench.client.keys("bull:q:old*")) == left[:-1]


def test_events_survive_the_trimming_of_their_own_call(bench: Bench) -> None:
    lay(bench, "wait")
    bench.client.hset("bull:q:meta", "opts.maxLenEvents", 1)
    for number in range(300):
        bench.client.xadd("bull:q:events", {"event": "old", "n": number})
    cancel(bench)
    assert bench.events()[-1] == "failed jobId=a failedReason=enough prev=waiting"
    assert bench.client.xlen("bull:q:events") < 150


# ---- refusals ------------------------------------------------------------------------------------------------------


def test_a_job_that_is_gone_is_refused(bench: Bench) -> None:
    before = bench.dump()
    with pytest.raises(JobNotFoundError, match=r"^Missing key for job a\. cancel \(queue 'q'\)$") as caught:
        cancel(bench)
    assert caught.value.code == -1
    assert bench.dump() == before


def test_an_id_without_a_job_is_refused(bench: Bench) -> None:
    bench.client.lpush("bull:q:wait", "a")
    before = bench.dump()
    with pytest.raises(JobNotFoundError):
        cancel(bench)
    assert bench.dump() == before


@pytest.mark.parametrize("where", ["completed", "failed", "nowhere"])
def test_a_job_that_has_ended_or_is_nowhere_is_refused(bench: Bench, where: str) -> None:
    bench.client.hset("bull:q:a", mapping=plain_hash(deid="d", parentKey="bull:q:p"))
    if where == "nowhere":
        bench.client.sadd("bull:q:stalled", "a")
    else:
        put(bench, "bull:q:", where, "a")
    before = bench.dump()
    with pytest.raises(JobStateError, match=r"^Job a is not in the waiting or active state\. cancel") as caught:
        cancel(bench)
    assert caught.value.code == -3
    assert bench.dump() == before


def test_cancelling_twice_fails_a_job_once(bench: Bench) -> None:
    lay(bench, "wait")
    cancel(bench)
    before = bench.dump()
    with pytest.raises(JobStateError):
        cancel(bench, reason="again")
    assert bench.dump() == before


@pytest.mark.parametrize("where", ["delayed", "wait", "prioritized"])
def test_a_schedulers_next_job_is_refused(bench: Bench, where: str) -> None:
    job_id = f"repeat:daily:{NOW}"
    lay(bench, where, job_id, rjk="daily")
    bench.client.zadd("bull:q:repeat", {"daily": NOW})
    before = bench.dump()
    with pytest.raises(SchedulerJobError) as caught:
        cancel(bench, job_id)
    assert caught.value.code == -8
    assert bench.dump() == before


@pytest.mark.parametrize("next_ms", [NOW + 5, None])
def test_a_schedulers_other_jobs_can_be_cancelled(bench: Bench, next_ms: int | None) -> None:
    job_id = f"repeat:daily:{NOW}"
    lay(bench, "wait", job_id, rjk="daily")
    if next_ms:
        bench.client.zadd("bull:q:repeat", {"daily": next_ms})
    assert cancel(bench, job_id) is True
    assert list(bench.scores("failed")) == [job_id]


def test_a_schedulers_job_that_runs_is_asked_to_stop(bench: Bench) -> None:
    job_id = f"repeat:daily:{NOW}"
    lay(bench, "active", job_id, rjk="daily")
    bench.client.zadd("bull:q:repeat", {"daily": NOW})
    assert cancel(bench, job_id) is False


# ---- children and parents ------------------------------------------------------------------------------------------


def lay_child(bench: Bench, base: str, where: str, *others: str, **policy: bool) -> str:
    """Have a waiting parent with the child `a` somewhere, and others; return the parent's key."""
    parent = make_flow(bench, "p", ["a", *others], parent_base=base, **policy)
    bench.client.lrem("bull:q:wait", 0, "a")
    if where == "waiting-children":
        bench.client.sadd("bull:q:a:dependencies", "bull:q:grandchild")
    put(bench, "bull:q:", where, "a")
    return parent


def is_waiting(bench: Bench, base: str) -> bool:
    return bench.client.zscore(f"{base}waiting-children", "p") is not None


@every_place
def test_the_last_child_fails_its_parent(bench: Bench, base: str, where: str) -> None:
    parent = lay_child(bench, base, where, fpof=True)
    assert cancel(bench) is True
    assert bench.client.zrange(f"{parent}:unsuccessful", 0, -1, withscores=True) == [("bull:q:a", LATER)]
    assert bench.client.hget(parent, "defa") == "child bull:q:a failed"
    assert line(bench, base) == ["p"]
    ended = f"failed jobId=a failedReason=enough prev={WAITING[where]}"
    assert bench.events() == ([RELEASED, ended] if base == "bull:q:" else [ended])
    assert bench.events("bull:other:") == ([] if base == "bull:q:" else [RELEASED])


@pytest.mark.parametrize("others", [(), ("x",)])
@pytest.mark.parametrize(
    ("policy", "kept", "goes_on"),
    [("cpof", {"bull:q:a": "enough"}, True), ("idof", {"bull:q:a": "enough"}, False), ("rdof", {}, False)],
)
def test_a_child_passes_its_end_on_as_its_policy_says(
    bench: Bench, base: str, policy: str, kept: dict[str, str], goes_on: bool, others: tuple[str, ...]
) -> None:
    parent = lay_child(bench, base, "wait", *others, **flags(policy))
    cancel(bench)
    assert bench.client.hgetall(f"{parent}:failed") == kept
    assert bench.client.smembers(f"{parent}:dependencies") == {f"bull:q:{other}" for other in others}
    assert is_waiting(bench, base) is (bool(others) and not goes_on)
    assert not bench.client.hexists(parent, "defa")


def test_without_a_policy_the_parent_waits_on(bench: Bench, base: str) -> None:
    parent = lay_child(bench, base, "wait")
    cancel(bench)
    assert bench.client.smembers(f"{parent}:dependencies") == {"bull:q:a"}
    assert is_waiting(bench, base)


@pytest.mark.parametrize("policy", [{}, {"fpof": True}, {"cpof": True}, {"idof": True}, {"rdof": True}])
def test_a_child_that_is_not_kept_holds_up_nobody(bench: Bench, base: str, policy: Options) -> None:
    parent = lay_child(bench, base, "wait", **policy)
    cancel(bench, keep_count=0)
    assert not bench.client.exists("bull:q:a", f"{parent}:dependencies")
    assert line(bench, base) == ["p"]
    assert bench.events(base).count(RELEASED) == 1


def test_a_child_that_runs_tells_its_parent_when_it_has_ended(bench: Bench, base: str) -> None:
    lay_child(bench, base, "wait", fpof=True)
    assert bench.taken_ids() == ["a"]
    assert cancel(bench) is False
    assert is_waiting(bench, base)
    bench.finish(bench.fail("a"))
    assert line(bench, base) == ["p"]


def test_a_parent_that_is_gone_is_not_brought_back(bench: Bench) -> None:
    parent = lay_child(bench, "bull:other:", "wait", fpof=True)
    bench.client.delete(parent, f"{parent}:dependencies", "bull:other:waiting-children")
    cancel(bench)
    assert bench.client.keys("bull:other:*") == []


@pytest.mark.parametrize("ending", ["completed", "failed"])
def test_a_parent_that_waited_is_not_brought_back_by_its_children(bench: Bench, ending: str) -> None:
    bench.add_tree(tree("a", tree("x")))
    assert cancel(bench) is True
    assert bench.scores("failed") == {"a": LATER}
    assert bench.taken_ids() == ["x"]
    bench.finish(bench.complete("x") if ending == "completed" else bench.fail("x"))
    assert "a" in bench.scores("failed")
    assert bench.in_line("wait") == []
    assert "defa" not in bench.hash("a")


def test_the_middle_of_a_flow_passes_its_end_up(bench: Bench) -> None:
    bench.add_tree(tree("p", tree("a", tree("x"))))
    assert cancel(bench) is True
    assert bench.client.hget("bull:q:p", "defa") == "child bull:q:a failed"
    assert bench.in_line("wait") == ["p", "x"]


def test_a_record_of_the_parent_that_cannot_be_read_has_no_policy(bench: Bench) -> None:
    parent = make_flow(bench, "p", ["a"])
    bench.client.hset("bull:q:a", "parent", "{")
    assert cancel(bench) is True
    assert bench.client.smembers(f"{parent}:dependencies") == {"bull:q:a"}


@pytest.mark.parametrize(("options", "record"), POLICIES)
def test_what_the_client_wrote_is_the_policy(bench: Bench, options: Options, record: Options) -> None:
    lay_parent(bench, "bull:q:")
    bench.add_drafted(child(**options))
    assert set(json.loads(bench.hash("a")["parent"])) == {"id", "queueKey", *record}
    cancel(bench)
    assert is_waiting(bench, "bull:q:") is not bool(record)


# ---- deduplication -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("owner", "ttl", "is_freed"), [("a", None, True), ("a", 60_000, False), ("x", None, False)])
@pytest.mark.parametrize("keep_count", [-1, 0])
def test_its_deduplication_id_is_free_as_after_any_end(
    bench: Bench, owner: str, ttl: int | None, is_freed: bool, keep_count: int
) -> None:
    lay(bench, "wait", deid="d")
    bench.client.set("bull:q:de:d", owner, px=ttl)
    cancel(bench, keep_count=keep_count)
    assert bench.client.exists("bull:q:de:d") == (not is_freed)


@pytest.mark.parametrize("options", [{}, {"delay": 0.5}, {"priority": 2}])
def test_the_job_that_was_remembered_takes_its_turn(bench: Bench, options: Options) -> None:
    lay(bench, "wait", deid="d")
    parked = draft("b", deduplication="d", **options)
    bench.client.set("bull:q:de:d", "a")
    bench.client.hset(
        "bull:q:dn:d", mapping={"name": "job", "data": "{}", "opts": parked.opts.decode(), "jid": "b"}
    )  # fmt: skip
    cancel(bench)
    assert bench.client.get("bull:q:de:d") == "b"
    assert not bench.client.exists("bull:q:dn:d")
    assert bench.hash("b").items() >= {"timestamp": str(LATER), "deid": "d"}.items()
    event = "waiting jobId=b"
    if "delay" in options:
        event = f"delayed jobId=b delay={LATER + 500}"
        assert bench.scores("delayed") == {"b": (LATER + 500) * STEP}
    elif "priority" in options:
        assert bench.scores("prioritized") == {"b": 2 * PRIORITY + 1}
    else:
        assert bench.in_line("wait") == ["b"]
    assert bench.events() == ["added jobId=b name=job", event, "failed jobId=a failedReason=enough prev=waiting"]


def test_jobs_that_are_each_others_parents_end_one_at_a_time(bench: Bench) -> None:
    make_flow(bench, "a", ["b"], fpof=True)
    adopt(bench, "bull:q:b", ["a"], fpof=True)
    assert cancel(bench) is True
    assert list(bench.scores("failed")) == ["a"]
