"""The script that parks an active job until its children have ended."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from oxmq.errors import ChildrenFailedError, JobError, JobNotFoundError, JobStateError, LockLostError
from oxmq.ops import families
from tests.scripts.bench import Bench, adopt
from tests.scripts.relations import LATER, RELEASED

PARKED = "waiting-children jobId=p prev=active"


def park(bench: Bench, token: str = "t", child: str = "") -> bool:
    return bench.run(families.move_to_waiting_children(bench.keys, "p", token, LATER, child))


def start(bench: Bench, *children: str, token: str = "t") -> None:
    """Have a parent running, with children that wait."""
    bench.start("p", token=token)
    adopt(bench, "bull:q:p", children, fpof=True)


def test_a_parent_with_children_pending_is_parked(bench: Bench) -> None:
    start(bench, "a", "b")
    bench.client.sadd("bull:q:stalled", "p", "x")
    before = bench.dump("active", "p:lock", "stalled", "events")
    assert park(bench) is True
    assert bench.dump("events", "stalled") == before | {"bull:q:waiting-children": [("p", LATER)]}
    assert bench.client.smembers("bull:q:stalled") == {"x"}
    assert bench.events() == [PARKED]


def test_it_may_wait_for_one_child_alone(bench: Bench) -> None:
    start(bench, "a", "b")
    assert park(bench, child="bull:q:a") is True
    assert bench.scores("waiting-children") == {"p": LATER}


def test_it_runs_again_when_its_children_have_ended(bench: Bench) -> None:
    start(bench, "a")
    park(bench)
    assert bench.taken_ids() == ["a"]
    bench.finish(bench.complete("a"))
    (record,) = bench.take().jobs
    assert (record.id, record.attempts_made) == ("p", 0)
    assert RELEASED in bench.events()


def test_a_token_of_0_needs_no_lock_and_frees_none(bench: Bench) -> None:
    start(bench, "a")
    assert park(bench, token="0") is True
    assert bench.client.get("bull:q:p:lock") == "t"


@pytest.mark.parametrize("child", ["", "bull:q:a", "bull:q:never"])
def test_with_nothing_to_wait_for_it_runs_on(bench: Bench, child: str) -> None:
    start(bench, *([] if child == "" else ["b"]))
    bench.client.hset("bull:q:p:processed", "bull:q:a", "1")
    before = bench.dump()
    assert park(bench, child=child) is False
    assert park(bench, token="other", child=child) is False
    assert bench.dump() == before


def lose_hash(bench: Bench) -> None:
    bench.client.delete("bull:q:p")


def lose_lock(bench: Bench) -> None:
    bench.client.delete("bull:q:p:lock")


def lose_lock_to_another(bench: Bench) -> None:
    bench.client.set("bull:q:p:lock", "other", px=30_000)


def leave_active(bench: Bench) -> None:
    bench.client.rename("bull:q:active", "bull:q:paused")


def gain_failed_child(bench: Bench) -> None:
    bench.client.zadd("bull:q:p:unsuccessful", {"bull:q:x": LATER})


@pytest.mark.parametrize("child", ["", "bull:q:a"])
@pytest.mark.parametrize(
    ("code", "kind", "accident", "message"),
    [
        (-1, JobNotFoundError, lose_hash, r"Missing key for job p\. move_to_waiting_children"),
        (-2, LockLostError, lose_lock, r"Missing lock for job p\. move_to_waiting_children"),
        (
            -6,
            LockLostError,
            lose_lock_to_another,
            r"Lock mismatch for job p\. Cmd move_to_waiting_children from active",
        ),
        (-3, JobStateError, leave_active, r"Job p is not in the active state\. move_to_waiting_children"),
        (-9, ChildrenFailedError, gain_failed_child, "Cannot complete job p because it has at least one failed child"),
    ],
)
def test_what_cannot_be_parked_is_refused_and_stays(
    bench: Bench, code: int, kind: type[JobError], accident: Callable[[Bench], None], message: str, child: str
) -> None:
    start(bench, "a")
    accident(bench)
    before = bench.dump()
    with pytest.raises(kind, match=f"^{message}") as caught:
        park(bench, child=child)
    assert caught.value.code == code
    assert bench.dump() == before


def test_a_failed_child_is_told_even_when_no_other_is_pending(bench: Bench) -> None:
    start(bench)
    gain_failed_child(bench)
    before = bench.dump()
    with pytest.raises(ChildrenFailedError):
        park(bench)
    assert bench.dump() == before


def test_parking_twice_parks_once(bench: Bench) -> None:
    start(bench, "a")
    park(bench)
    before = bench.dump()
    with pytest.raises(LockLostError) as caught:
        park(bench)
    assert caught.value.code == -2
    assert bench.dump() == before
