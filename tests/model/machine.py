"""Do each operation twice, to the model and on a real server, and compare all there is to see."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Final, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition

from oxmq.errors import JobError, QueueStateError
from oxmq.invariants import Knowledge, Violation, violations
from oxmq.keys import QueueKeys
from oxmq.ops import iterations, jobs
from oxmq.ops.call import Call
from oxmq.transport.connect import Endpoint
from oxmq.transport.sync_runner import SyncRunner
from tests.model import schedules
from tests.model.keyspace import Snapshot, differences
from tests.model.queue import SEQUENCES, Queue, Refused, World
from tests.model.work import Terms
from tests.support.servers import RedisServer

T = TypeVar("T")
RuleT = TypeVar("RuleT", bound=Callable[..., object])

START_MS: Final = 1_700_000_000_000
#: All times to live are multiples of this, and only such spans pass on the server, so that its own clock matters not.
SPAN_MS: Final = 10_000
LOCK_MS: Final = 3 * SPAN_MS
BASES: Final = ("bull:q:", "bull:other:")

#: How the words of what is broken end where an ordinary call may do that: a parent that has ended can be given a child,
#: or have one retried; a child can be added again that had ended.
EXCUSED: Final = ("children pending", "is counted twice")

#: Most of what happens happens in one queue; the other one is there for parents and children.
bases = st.sampled_from([BASES[0], BASES[0], BASES[0], BASES[1]])
#: Which of the jobs that come into question.
which = st.integers(0, 11)
custom_ids = st.sampled_from(["a", "b", "c", "d", "e"])


Wanted = Callable[[Queue], Iterable[str]]
"""Return those of a queue's jobs for which an operation is meant."""


def needs(wanted: Wanted) -> Callable[[RuleT], RuleT]:
    """Have a rule apply only where some queue has what is wanted."""

    def applies(machine: Machine) -> bool:
        return machine.has(wanted)

    decorate: Callable[[RuleT], RuleT] = precondition(applies)
    return decorate


def any_job(queue: Queue) -> Iterable[str]:
    return queue.jobs


class Machine(RuleBasedStateMachine):
    """Hold the model and the server that are to agree; the rules are in the classes that derive from this."""

    client: ClassVar[Any]
    runner: ClassVar[SyncRunner]

    @classmethod
    def connect(cls, server: RedisServer) -> None:
        cls.client = server.client()
        cls.runner = SyncRunner(Endpoint(server.url))

    @classmethod
    def disconnect(cls) -> None:
        cls.runner.close()
        cls.client.close()

    now: int
    world: World
    seen: Snapshot

    def __init__(self) -> None:
        super().__init__()
        self.now = START_MS
        self.tokens = 0
        self.world = World(*BASES)
        #: Queues for which a worker, told that the rate is limited, will look again by itself.
        self.watched: set[str] = set()
        #: When the worker of a queue that found nothing will look again by itself.
        self.awake_at: dict[str, int] = {}
        #: Jobs of schedulers that stayed in line when their scheduler was removed, or changed in a paused queue.
        self.left_over: set[str] = set()
        #: Keys of deduplication ids that are owned for ever, by a job that had ended when its claim was extended.
        self.endless: set[str] = set()
        self.client.flushall()
        for base in BASES:
            self.open_queue(base)
        self.seen = Snapshot(self.client)

    # ---- doing -------------------------------------------------------------------------------------------------------

    def queue(self, base: str) -> Queue:
        return self.world.queues[base]

    def open_queue(self, base: str) -> None:
        """Write down what a client does when it opens a queue."""
        self.client.hset(f"{base}meta", "opts.maxLenEvents", 10_000)

    def keys(self, base: str) -> QueueKeys:
        prefix, name, _ = base.split(":")
        return QueueKeys(name, prefix)

    def both(
        self, model: Callable[[], T], call: Call[Any], view: Callable[[Any], object] = lambda reply: reply, *,
        any_order: bool = False,
    ) -> T | None:  # fmt: skip
        """Do the same on both sides and compare the outcomes; return the model's, None when it was refused.

        `view` turns the server's result into what the model returns. `any_order`: sets decide in what order things
        happen, so that the order of events is not compared.
        """
        reply = _outcome(lambda: view(self.runner.run(call)))
        result: T | None = None
        try:
            result = model()
            assert reply == result, f"the model returns {result!r}, Redis {reply!r}"
        except Refused as refusal:
            assert reply == f"refused with {refusal.code}", f"the model refuses with {refusal.code}, Redis: {reply!r}"
            self.agree(any_order=any_order, refused=True)
        else:
            self.agree(any_order=any_order)
        return result

    def agree(self, *, any_order: bool = False, refused: bool = False) -> None:
        """Check that both sides are in the same state, that nothing has gone wrong, and that the same was told."""
        before, self.seen = self.seen, Snapshot(self.client)
        wrong = differences(self.world, self.seen)
        wrong += [f"{rule.rule} {rule.key}: {rule.words}" for base in BASES for rule in self._violations(base)]
        for queue in self.world.queues.values():
            wrong += _event_differences(queue, self.seen.events.get(queue.base, []), any_order=any_order)
            queue.events = []
        if refused and before.keys != self.seen.keys:
            wrong.append("a call that was refused has changed the keyspace")
        assert not wrong, "\n".join(wrong)

    def _violations(self, base: str) -> Iterable[Violation]:
        known = Knowledge(at_rest=base not in self.watched, lock_ms=LOCK_MS)
        for violation in violations(self.seen.dump(base), base, known):
            if not self._is_excused(base, violation):
                yield violation

    def _is_excused(self, base: str, violation: Violation) -> bool:
        if violation.rule == "K9" and violation.words.startswith("a delayed job"):
            # A worker sleeps just until the first delayed job is due; no marker needs to say so then.
            due = min(self.queue(base).delayed.values(), default=0) // SEQUENCES
            return self.awake_at.get(base, due + 1) <= due
        if "runs to come: " in violation.words:
            return len(set(violation.words.partition("runs to come: ")[2].split(", ")) - self.left_over) <= 1
        if violation.rule == "K12":
            return violation.key in self.endless
        return violation.words.endswith(EXCUSED)

    # ---- choosing ----------------------------------------------------------------------------------------------------

    def pick(self, base: str, number: int, likely: Iterable[str]) -> str:
        """Return the id of a job: mostly one of those for which an operation is meant, but any if need be."""
        wanted = list(likely)
        if wanted and number < 9:
            return wanted[number % len(wanted)]
        others = [*sorted(self.queue(base).jobs), "gone"]
        return others[number % len(others)]

    def follow_up(self, base: str, job_id: str) -> None:
        """Do what a worker does with each job that it takes: make the next one, where a scheduler made it."""
        job = self.queue(base).jobs.get(job_id)
        record = self.runner.run(jobs.get(self.keys(base), job_id))
        if job and record and "rjk" in job.fields:
            self.both(
                lambda: schedules.advance(self.queue(base), job_id, self.now),
                iterations.advance(self.keys(base), record, self.now),
                lambda verdict: (verdict.next_id, verdict.skipped),
            )

    def has(self, wanted: Wanted) -> bool:
        """Tell whether any queue has what is wanted."""
        return any(list(wanted(queue)) for queue in self.world.queues.values())

    def busiest(self, base: str, wanted: Wanted) -> str:
        """Return the queue that is given, or another one when that has none of what is wanted."""
        return next((other for other in (base, *BASES) if list(wanted(self.queue(other)))), base)

    def choose(self, base: str, number: int, wanted: Wanted) -> tuple[str, str]:
        """Return a queue that has what is wanted, if one has, and one of that."""
        base = self.busiest(base, wanted)
        return base, self.pick(base, number, wanted(self.queue(base)))

    def token_of(self, base: str, job_id: str) -> str:
        job = self.queue(base).jobs.get(job_id)
        return str(job.lock.value) if job and job.lock else "stranger"

    def terms(self, **given: Any) -> Terms:
        self.tokens += 1
        return Terms(f"t{self.tokens}", LOCK_MS, **given)


def _outcome(do: Callable[[], object]) -> object:
    try:
        return do()
    except (JobError, QueueStateError) as error:
        return f"refused with {error.code}"


def _event_differences(queue: Queue, told: list[str], *, any_order: bool) -> list[str]:
    one, other = (sorted(queue.events), sorted(told)) if any_order else (queue.events, told)
    return [] if one == other else [f"events of {queue.base}: the model says {one}, Redis {other}"]
