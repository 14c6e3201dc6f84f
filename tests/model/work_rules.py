"""Work as workers do: take, finish, renew, crash, recover; and let time pass."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st
from hypothesis.stateful import rule

from oxmq.ops import families, lifecycle
from oxmq.ops.lifecycle import Finished, Outcome, TakeTerms
from oxmq.records import Taken as TakenReply
from tests.model import changes, work
from tests.model.keyspace import TTL_SLACK_MS
from tests.model.machine import LOCK_MS, SPAN_MS, Machine, bases, needs, which
from tests.model.queue import Queue
from tests.model.work import Run, Taken, Terms

KINDS = ("completed", "completed", "failed", "failed", "retry", "delay", "postpone", "release", "park")
LOCK_OPERATIONS = ("lose", "extend", "steal", "hand back")


@dataclass(frozen=True)
class Ending:
    """Hold how one of the active jobs is to end."""

    number: int
    kind: str
    attempts: int = 1
    keep_count: int = -1
    keep_age: int | None = None
    delay: int = 0
    next_up: bool = False
    is_stranger: bool = False


endings = st.builds(
    Ending,
    number=which,
    kind=st.sampled_from(KINDS),
    attempts=st.integers(0, 2),
    keep_count=st.sampled_from([-1, -1, -1, 0, 1, 2]),
    keep_age=st.sampled_from([None, None, None, 0, 1]),
    delay=st.sampled_from([1, 5, 1_000]),
    next_up=st.booleans(),
    is_stranger=st.sampled_from([False] * 7 + [True]),
)
limits = st.sampled_from([{}, {}, {}, {"limit_max": 2, "limit_ms": SPAN_MS}, {"limit_max": 1, "limit_ms": 3 * SPAN_MS}])
workers = st.sampled_from([{}, {"worker": "w"}])


def ready(queue: Queue) -> list[str]:
    return [*queue.wait, *queue.prioritized] if queue.is_open else []


def locked(queue: Queue) -> list[str]:
    return [job_id for job_id in queue.active if queue.jobs[job_id].lock]


def parents_running(queue: Queue) -> list[str]:
    return [job_id for job_id in queue.active if queue.jobs[job_id].dependencies]


def active(queue: Queue) -> list[str]:
    return queue.active


class WorkRules(Machine):
    """Do what workers do."""

    @rule(base=bases, count=st.integers(1, 3), limit=limits, worker=workers)
    def take(self, base: str, count: int, limit: dict[str, int], worker: dict[str, str]) -> None:
        base = self.busiest(base, ready)
        self._take(base, count, self.terms(**limit, **worker))

    @needs(ready)
    @rule(base=bases, count=st.integers(1, 3))
    def take_more(self, base: str, count: int) -> None:
        self._take(self.busiest(base, ready), count, self.terms())

    @needs(lambda queue: queue.marker.keys() & {"0"})
    @rule(limit=limits)
    def wake_up(self, limit: dict[str, int]) -> None:
        """Have a worker that waits for the marker pop it, and look."""
        for queue in self.world.queues.values():
            if queue.marker.pop("0", None) is not None:
                self.client.zrem(f"{queue.base}marker", "0")
                self._take(queue.base, 1, self.terms(**limit), was_waiting=True)

    def _take(self, base: str, count: int, terms: Terms, *, was_waiting: bool = False) -> None:
        self.both(
            lambda: self._note(base, work.take(self.queue(base), self.now, count, terms), was_waiting),
            lifecycle.take(self.keys(base), self.now, count, terms.token, take_terms(terms)),
            as_taken,
        )

    def _note(self, base: str, taken: Taken, was_waiting: bool) -> Taken:
        """Note when a worker will look again by itself, whatever the marker says."""
        if was_waiting and taken.next_due is not None:
            self.awake_at[base] = taken.next_due
        if taken.limited_ms or taken.is_closed:
            self.watched.add(base)
        else:
            self.watched.discard(base)
        return taken

    @needs(active)
    @rule(base=bases, ending=endings, count=st.integers(0, 2), limit=limits)
    def finish(self, base: str, ending: Ending, count: int, limit: dict[str, int]) -> None:
        self._finish(base, [ending], count, self.terms(**limit))

    @needs(active)
    @rule(base=bases, ending=endings, count=st.integers(0, 2))
    def finish_another(self, base: str, ending: Ending, count: int) -> None:
        self._finish(base, [ending], count, self.terms())

    @needs(active)
    @rule(
        base=bases, numbers=st.lists(which, min_size=1, max_size=4), count=st.integers(0, 3), is_failing=st.booleans()
    )
    def end(self, base: str, numbers: list[int], count: int, is_failing: bool) -> None:
        """End some runs for good, and all in the same way."""
        kind = "failed" if is_failing else "completed"
        self._finish(base, [Ending(number, kind) for number in numbers], count, self.terms(metrics=3))

    @needs(lambda queue: queue.active[1:])
    @rule(base=bases, several=st.lists(endings, min_size=2, max_size=6), count=st.integers(0, 2))
    def finish_batch(self, base: str, several: list[Ending], count: int) -> None:
        self._finish(base, several, count, self.terms())

    def _finish(self, base: str, several: list[Ending], count: int, terms: Terms) -> None:
        base = self.busiest(base, active)
        runs = {run.job_id: run for run in (self._run(base, ending) for ending in several)}
        for job_id in runs:
            if job_id in self.queue(base).active:
                self.follow_up(base, job_id)
        if any(run.kind in ("release", "park") for run in runs.values()):
            # Nobody is woken for one with a priority: it is found by whoever looks next.
            self.watched.add(base)
        self.both(
            lambda: work.finish(self.queue(base), self.now, list(runs.values()), count, terms),
            lifecycle.finish(
                self.keys(base),
                self.now,
                [outcome(run) for run in runs.values()],
                count,
                terms.token,
                take_terms(terms),
            ),
            as_finished,
        )

    def _run(self, base: str, ending: Ending) -> Run:
        job_id = self.pick(base, ending.number, locked(self.queue(base)) or self.queue(base).active)
        failing = ending.kind in ("failed", "retry", "delay")
        return Run(
            job_id,
            "stranger" if ending.is_stranger else self.token_of(base, job_id),
            ending.kind,
            "broken" if failing else "1" if ending.kind == "completed" else "",
            '["Error"]' if failing else "",
            ending.attempts,
            ending.keep_count,
            ending.keep_age,
            delay=ending.delay,
            next_up=ending.next_up or ending.kind == "release",
        )

    @needs(active)
    @rule(base=bases, number=which, child=st.one_of(st.none(), which), is_stranger=st.booleans())
    def wait_for_children(self, base: str, number: int, child: int | None, is_stranger: bool) -> None:
        base = self.busiest(base, parents_running)
        queue = self.queue(base)
        job_id = self.pick(base, number, parents_running(queue) or queue.active)
        if job_id in queue.active:
            self.follow_up(base, job_id)
        token = "stranger" if is_stranger else self.token_of(base, job_id)
        children = sorted(queue.jobs[job_id].dependencies) if job_id in queue.jobs else []
        child_key = "" if child is None else [*children, "bull:q:gone"][child % (len(children) + 1)]
        self.both(
            lambda: changes.wait_for_children(queue, job_id, token, self.now, child_key),
            families.move_to_waiting_children(self.keys(base), job_id, token, self.now, child_key),
        )

    # ---- locks -------------------------------------------------------------------------------------------------------

    @needs(active)
    @rule(base=bases, numbers=st.lists(which, min_size=1, max_size=3), what=st.sampled_from(LOCK_OPERATIONS))
    def locks(self, base: str, numbers: list[int], what: str) -> None:
        base = self.busiest(base, active)
        ids = [self.pick(base, number, self.queue(base).active) for number in numbers]
        if what == "lose":
            self._lose_locks(base, ids)
        else:
            self._use_locks(base, ids, what)

    def _use_locks(self, base: str, ids: list[str], what: str) -> None:
        match what:
            case "hand back":
                token = self.token_of(base, ids[0])
                self.both(lambda: work.hand_back(self.queue(base), token), lifecycle.hand_back(self.keys(base), token))
            case _:
                locks = [(job_id, "stranger" if what == "steal" else self.token_of(base, job_id)) for job_id in ids]
                self.both(
                    lambda: work.extend_locks(self.queue(base), locks, LOCK_MS),
                    lifecycle.extend_locks(self.keys(base), locks, LOCK_MS),
                )

    def _lose_locks(self, base: str, ids: list[str]) -> None:
        """Let the locks of some jobs run out, as if their worker had died."""
        for job_id in ids:
            if job_id in self.queue(base).jobs:
                self.queue(base).jobs[job_id].lock = None
                self.client.delete(f"{base}{job_id}:lock")
        self.agree()

    @needs(active)
    @rule(
        base=bases,
        numbers=st.lists(which, max_size=2),
        max_stalled=st.integers(0, 1),
        meanwhile=st.sampled_from(["", "", "extend", "hand back"]),
        times=st.integers(1, 2),
    )
    def crash(self, base: str, numbers: list[int], max_stalled: int, meanwhile: str, times: int) -> None:
        """Have workers die, and those that are left look for their jobs."""
        base = self.busiest(base, active)
        self._lose_locks(base, [self.pick(base, number, self.queue(base).active) for number in numbers])
        self._recover_stalled(base, max_stalled)
        if meanwhile and self.queue(base).active:
            self._use_locks(base, self.queue(base).active[:2], meanwhile)
        if times > 1:
            self.pass_time(1)
            self._recover_stalled(base, max_stalled)

    def _recover_stalled(self, base: str, max_stalled: int) -> None:
        order: list[str] = []

        def in_order(found: list[str]) -> list[str]:
            order.extend(found)
            return found

        self.both(
            lambda: work.recover_stalled(self.queue(base), self.now, max_stalled, SPAN_MS, order),
            lifecycle.recover_stalled(self.keys(base), self.now, max_stalled, SPAN_MS),
            in_order,
        )

    # ---- time --------------------------------------------------------------------------------------------------------

    @rule(ms=st.sampled_from([1, 5, 1_000, 60_000, -1_000]), spans=st.sampled_from([0, 0, 1, 1, 2, 3]))
    def go_on(self, ms: int, spans: int) -> None:
        """Move the clock of the clients, which is not the server's, or let time pass for all."""
        self.now += 0 if spans else ms
        if spans:
            self.pass_time(spans)

    def pass_time(self, spans: int) -> None:
        """Let time pass for all: what expires does."""
        self.now += spans * SPAN_MS
        for key in self.seen.left_ms:
            left = self.client.pttl(key) - spans * SPAN_MS
            self.client.pexpire(key, left) if left > 0 else self.client.delete(key)
        self.world.pass_time(spans * SPAN_MS)
        self.agree()


def take_terms(terms: Terms) -> TakeTerms:
    return TakeTerms(terms.lock_ms, terms.limit_max, terms.limit_ms, terms.worker, terms.metrics)


def outcome(run: Run) -> Outcome:
    return Outcome(
        run.job_id, run.token, run.kind, run.value, run.stack.encode(), run.attempts,
        run.keep_count, run.keep_age, run.keep_limit, run.delay, run.next_up,
    )  # fmt: skip


def as_taken(reply: TakenReply) -> object:
    return _SameTaken(reply)


def as_finished(reply: Finished) -> object:
    codes = [refusal.code if refusal else 0 for refusal in reply.refusals]
    return (codes, _SameTaken(reply.taken))


class _SameTaken:
    """Equal what the model took, but for the time that went by on the server."""

    def __init__(self, reply: TakenReply) -> None:
        self._reply = reply

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Taken)
            and [record.id for record in self._reply.jobs] == other.ids
            and self._reply.next_due_ms == other.next_due
            and 0 <= other.limited_ms - self._reply.limited_ms < TTL_SLACK_MS
            and (self._reply.limited_ms > 0) == (other.limited_ms > 0)
        )

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return repr(self._reply)
