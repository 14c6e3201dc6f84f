"""Judge a history: was anything lost, made up, done twice, or started too often?

The words are those of Jepsen's queue checker. An operation whose answer never came is neither done nor failed: it may
turn up (recovered) or not, and both are right.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.support.history import Record

#: How many records of a job are told at most.
_STORY = 40


@dataclass(frozen=True)
class Seen:
    """Hold a job as it is in Redis at the end, and how often its end was announced.

    `allowed` is how often its handler may start, without what the faults of the test excuse.
    """

    key: str
    job_id: str
    state: str
    endings: int
    attempts_made: int
    attempts_started: int
    stalled: int
    allowed: int

    @property
    def is_terminal(self) -> bool:
        return self.state in ("completed", "failed")


@dataclass
class Verdict:
    """Hold what came out; each of the sets holds keys.

    Attributes:
        acknowledged: adds that returned.
        refused: adds that were said not to have happened.
        unknown: adds of which nobody could say.
        recovered: those of them that did happen. No fault.
        lost: acknowledged, and not ended.
        unexpected: started or found, and never asked for.
        phantom: refused, and found all the same.
        duplicated: found under more than one id.
        accepted_twice: of which more than one end was announced.
        overrun: started more often than allowed.
        runs: how often a handler was started, in all.
    """

    acknowledged: set[str] = field(default_factory=set[str])
    refused: set[str] = field(default_factory=set[str])
    unknown: set[str] = field(default_factory=set[str])
    recovered: set[str] = field(default_factory=set[str])
    lost: set[str] = field(default_factory=set[str])
    unexpected: set[str] = field(default_factory=set[str])
    phantom: set[str] = field(default_factory=set[str])
    duplicated: set[str] = field(default_factory=set[str])
    accepted_twice: set[str] = field(default_factory=set[str])
    overrun: set[str] = field(default_factory=set[str])
    runs: int = 0

    def faults(self) -> dict[str, set[str]]:
        """Return what must be empty and is not."""
        names = ("lost", "unexpected", "phantom", "duplicated", "accepted_twice", "overrun")
        return {name: found for name in names if (found := getattr(self, name))}

    def __str__(self) -> str:
        adds = f"{len(self.acknowledged)} acknowledged, {len(self.refused)} refused, {len(self.unknown)} unknown"
        faults = ", ".join(f"{len(keys)} {name}" for name, keys in self.faults().items()) or "no fault"
        return f"{adds} ({len(self.recovered)} recovered), {self.runs} runs: {faults}"


def judge(records: Sequence[Record], jobs: Iterable[Seen], excused_starts: int = 0) -> Verdict:
    """Return the verdict on a history whose queue has been drained.

    Args:
        jobs: every job that is in Redis at the end.
        excused_starts: by how many starts each job may exceed what it is allowed: one for each hand-back, say.
    """
    adds = _adds(records)
    found: dict[str, list[Seen]] = defaultdict(list)
    for job in jobs:
        found[job.key].append(job)
    verdict = Verdict(
        acknowledged={key for key, hows in adds.items() if "ok" in hows},
        unknown={key for key, hows in adds.items() if "ok" not in hows and hows & {"info", "invoke"} == hows},
        refused={key for key, hows in adds.items() if "fail" in hows and not hows & {"ok", "info"}},
        runs=sum(record.what == "start" for record in records),
    )
    verdict.recovered = verdict.unknown & found.keys()
    verdict.phantom = verdict.refused & found.keys()
    verdict.lost = {key for key in verdict.acknowledged if not any(job.is_terminal for job in found[key])}
    verdict.duplicated = {key for key, seen in found.items() if len(seen) > 1}
    verdict.accepted_twice = {key for key, seen in found.items() if sum(job.endings for job in seen) > 1}
    starts = Counter(record.key for record in records if record.what == "start")
    verdict.unexpected = {key for key in (found.keys() | starts.keys()) if key not in adds}
    verdict.overrun = {key for key, count in starts.items() if count > _allowed(found[key]) + excused_starts}
    return verdict


def assert_sound(records: Sequence[Record], jobs: Iterable[Seen], excused_starts: int = 0) -> Verdict:
    """Return the verdict if it is good; else raise with the shortest story of each kind of offence."""
    jobs = list(jobs)
    verdict = judge(records, jobs, excused_starts)
    if faults := verdict.faults():
        stories = [f"{name}:\n{shortest_story(keys, records, jobs)}" for name, keys in faults.items()]
        raise AssertionError("\n\n".join([str(verdict), *stories]))
    return verdict


def shortest_story(keys: Iterable[str], records: Sequence[Record], jobs: Sequence[Seen]) -> str:
    """Tell what happened to that of the jobs about which there is least to tell."""
    by_key: dict[str, list[Record]] = {key: [] for key in keys}
    for record in records:
        if record.key in by_key:
            by_key[record.key].append(record)
    key, told = min(by_key.items(), key=lambda item: (len(item[1]), item[0]))
    begun = records[0].at if records else 0.0
    ends = [f"          at the end: {job}" for job in jobs if job.key == key] or ["          at the end: no such job"]
    return "\n".join([f"  {key}", *(f"  {record.line(begun)}" for record in told[:_STORY]), *ends])


def _adds(records: Sequence[Record]) -> Mapping[str, set[str]]:
    hows: dict[str, set[str]] = defaultdict(set)
    for record in records:
        if record.what == "add":
            hows[record.key].add(record.how)
    return hows


def _allowed(seen: Sequence[Seen]) -> int:
    # One that nobody finds is judged by other rules.
    return max((job.allowed for job in seen), default=10**9)
