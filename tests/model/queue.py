"""Hold what a queue is made of, and the moves that all of its operations are made of.

This package is the specification in Python: what each operation does to a queue, in the plainest words there are. It
knows nothing of Redis but the names of the containers, and uses nothing of oxmq. Times are in milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.model.metrics import Metrics

#: A score in `delayed` is the due time times this, plus a place among those due in the same millisecond.
SEQUENCES = 4_096
#: A score in `prioritized` is the priority times this, plus the number of the arrival.
ARRIVALS = 2**32


class Refused(Exception):
    """Say that an operation was refused, with the code that the specification gives it, and has changed nothing."""

    def __init__(self, code: int) -> None:
        super().__init__(f"refused with {code}")
        self.code = code


@dataclass
class Expiring:
    """Hold a value that goes away after some time; None for never."""

    value: str | int
    left_ms: int | None = None


@dataclass
class Job:
    """Hold a job's own fields and what hangs on it; children are named by their full key."""

    fields: dict[str, str]
    lock: Expiring | None = None
    logs: list[str] = field(default_factory=list[str])
    dependencies: set[str] = field(default_factory=set[str])
    processed: dict[str, str] = field(default_factory=dict[str, str])
    failed: dict[str, str] = field(default_factory=dict[str, str])
    unsuccessful: dict[str, int] = field(default_factory=dict[str, int])

    def number(self, name: str) -> int:
        return int(self.fields.get(name, 0))

    def set(self, **fields: object) -> None:
        self.fields |= {name: str(value) for name, value in fields.items()}

    def forget(self, *fields: str) -> None:
        for name in fields:
            self.fields.pop(name, None)

    def count(self, name: str) -> int:
        """Add one to a field and return it."""
        self.set(**{name: self.number(name) + 1})
        return self.number(name)


class Queue:
    """Hold one queue. A job's state is which of the containers its id is in."""

    def __init__(self, base: str, world: World) -> None:
        self.base = base
        self.world = world
        self.jobs: dict[str, Job] = {}
        self.wait: list[str] = []  # the next to run first
        self.active: list[str] = []  # the one taken first, first
        self.delayed: dict[str, int] = {}
        self.prioritized: dict[str, int] = {}
        self.waiting_children: dict[str, int] = {}
        self.completed: dict[str, int] = {}
        self.failed: dict[str, int] = {}
        self.meta: dict[str, int] = {}
        self.counter = 0
        self.arrivals = 0
        self.stalled: set[str] = set()
        self.stalled_check: Expiring | None = None
        self.limiter: Expiring | None = None
        self.marker: dict[str, float] = {}
        self.owners: dict[str, Expiring] = {}  # of deduplication ids
        self.parked: dict[str, dict[str, str]] = {}
        self.metrics = {"completed": Metrics(), "failed": Metrics()}
        self.schedule: dict[str, int] = {}
        self.records: dict[str, dict[str, str]] = {}
        self.events: list[str] = []

    def key(self, job_id: str) -> str:
        return self.base + job_id

    def forget_all(self) -> None:
        """Forget what the queue knows of itself; what expires does so in its own time."""
        limiter, owners, parked = self.limiter, self.owners, self.parked
        self.__init__(self.base, self.world)  # type: ignore[misc]  # a new life in the same place
        self.limiter, self.owners, self.parked = limiter, owners, parked

    def forget_limits(self, *names: str) -> None:
        for name in names:
            self.meta.pop(name, None)

    def free(self, deduplication_id: str, job_id: str) -> bool:
        """Free a deduplication id if the job owns it."""
        owner = self.owners.get(deduplication_id)
        if owner is None or owner.value != job_id:
            return False
        del self.owners[deduplication_id]
        return True

    def find(self, job_id: str) -> Job:
        """Return a job, or refuse because there is none."""
        if job_id not in self.jobs:
            raise Refused(-1)
        return self.jobs[job_id]

    def tell(self, event: str, **fields: object) -> None:
        self.events.append(" ".join([event, *(f"{name}={value}" for name, value in sorted(fields.items()))]))

    def sets(self) -> dict[str, dict[str, int]]:
        """Return the containers that sort by a score, by their names."""
        return {
            "completed": self.completed,
            "waiting-children": self.waiting_children,
            "delayed": self.delayed,
            "failed": self.failed,
            "prioritized": self.prioritized,
        }

    def take_out(self, job_id: str) -> str:
        """Take an id out of whatever container holds it, and return the container's name."""
        for name, container in self.sets().items():
            if job_id in container:
                del container[job_id]
                return name
        self.stalled.discard(job_id)
        for name, line in (("wait", self.wait), ("active", self.active)):
            if job_id in line:
                line.remove(job_id)
                return name
        return "unknown"

    def is_upcoming(self, job_id: str) -> bool:
        """Tell whether a job is a scheduler's next one: without it the scheduler would never run again."""
        return any(job_id == f"repeat:{scheduler}:{due}" for scheduler, due in self.schedule.items())

    # ---- making jobs ready -------------------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Tell whether a worker may start a job now."""
        return "paused" not in self.meta and not self.is_full

    @property
    def is_full(self) -> bool:
        return "concurrency" in self.meta and len(self.active) >= self.meta["concurrency"]

    def wake(self) -> None:
        """Leave the mark for which idle workers wait."""
        if self.is_open:
            self.marker["0"] = 0

    def make_ready(self, job_id: str, *, next_up: bool = False) -> None:
        """Put a job in line: behind its priority's others if it has one, else last (or first)."""
        priority = self.jobs[job_id].number("priority")
        if priority:
            self.prioritize(job_id, priority)
        elif next_up:
            self.wait.insert(0, job_id)
        else:
            self.wait.append(job_id)

    def prioritize(self, job_id: str, priority: int) -> None:
        self.arrivals += 1
        self.prioritized[job_id] = priority * ARRIVALS + self.arrivals

    # ---- holding jobs back -------------------------------------------------------------------------------------------

    def hold_back(self, job_id: str, due: int) -> None:
        """Delay a job; those due in the same millisecond keep the order in which they came."""
        low, high = due * SEQUENCES, (due + 1) * SEQUENCES - 1
        taken = [score for score in self.delayed.values() if low <= score <= high]
        self.delayed[job_id] = min(max(taken) + 1, high) if taken else low
        self.tell("delayed", jobId=job_id, delay=due)

    def mark_next_due(self) -> None:
        if self.delayed:
            self.marker["1"] = min(self.delayed.values()) / SEQUENCES

    def promote_due(self, now: int) -> None:
        due = [job_id for job_id in ranked(self.delayed) if self.delayed[job_id] < (now + 1) * SEQUENCES]
        for job_id in due:
            del self.delayed[job_id]
            self.make_ready(job_id)
            self.jobs[job_id].set(delay=0)
            self.tell("waiting", jobId=job_id, prev="delayed")
        if due:
            self.wake()


class World:
    """Hold the queues, which know of each other through parents and children only."""

    def __init__(self, *bases: str) -> None:
        self.queues = {base: Queue(base, self) for base in bases}

    def place(self, job_key: str) -> tuple[Queue, str]:
        """Return a job's queue and its id there, from its full key."""
        queue = next(queue for base, queue in self.queues.items() if job_key.startswith(base))
        return queue, job_key.removeprefix(queue.base)

    def job(self, job_key: str) -> Job | None:
        queue, job_id = self.place(job_key)
        return queue.jobs.get(job_id)

    def pass_time(self, ms: int) -> None:
        """Let what expires grow older."""
        for queue in self.queues.values():
            queue.limiter = _aged(queue.limiter, ms)
            queue.stalled_check = _aged(queue.stalled_check, ms)
            aged = {name: _aged(owner, ms) for name, owner in queue.owners.items()}
            queue.owners = {name: owner for name, owner in aged.items() if owner}
            for job in queue.jobs.values():
                job.lock = _aged(job.lock, ms)

    def living(self, job_key: str) -> Job:
        """Return a job that is known to exist."""
        queue, job_id = self.place(job_key)
        return queue.jobs[job_id]


def _aged(value: Expiring | None, ms: int) -> Expiring | None:
    if value is None or value.left_ms is None:
        return value
    return Expiring(value.value, value.left_ms - ms) if value.left_ms > ms else None


def ranked(scores: dict[str, int]) -> list[str]:
    """Return the members by their score; equal ones by their name."""
    return sorted(scores, key=lambda member: (scores[member], member.encode()))
