"""Keep the jobs of inline mode in memory, with the fields that they would have in Redis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct, field

from oxmq.keys import split_job_key
from oxmq.ops.call import Word
from oxmq.ops.hashes import read_hash
from oxmq.records import JobRecord

#: The words of a job that is added, as `jobs.row_of` puts them.
_ROW = ("id", "name", "data", "opts", "timestamp", "delay", "priority", "next_up", "relations")
#: The codes with which an add is refused.
_NO_PARENT = -5


class InlineJob(Struct, eq=False):
    """Hold one job.

    Attributes:
        base: with what its queue's keys begin: ``prefix:queue:``.
        fields: its hash.
        state: one of the states that a queue lists: ``completed``, ``failed``, ``active``, ``wait``, or
            ``waiting-children``.
        logs: its log lines.
        pending: the keys of its children that have not ended.
        processed: the results of its children, by their keys.
        ignored: the reasons of the children whose failure did not stop it, by their keys.
        unsuccessful: the keys of the children that fail it.
        policy: what its failure does to its parent.
    """

    base: str
    id: str
    fields: dict[str, bytes]
    state: str = "wait"
    logs: list[bytes] = field(default_factory=list[bytes])
    pending: list[str] = field(default_factory=list[str])
    processed: dict[str, bytes] = field(default_factory=dict[str, bytes])
    ignored: dict[str, bytes] = field(default_factory=dict[str, bytes])
    unsuccessful: list[str] = field(default_factory=list[str])
    policy: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def key(self) -> str:
        """Return the key that its hash would have."""
        return f"{self.base}{self.id}"

    @property
    def queue(self) -> str:
        """Return the name of its queue."""
        return split_job_key(f"{self.base}id")[0].name

    @property
    def parent_key(self) -> str | None:
        """Return the key of its parent, if it has one."""
        stored = self.fields.get("parentKey")
        return None if stored is None else stored.decode()

    def flat(self) -> list[bytes]:
        """Return its hash as the server would."""
        return [word for name, value in self.fields.items() for word in (name.encode(), value)]

    def record(self) -> JobRecord:
        """Return its hash as it is read."""
        return read_hash(self.id, self.flat())

    def note(self, **fields: Word) -> None:
        """Write fields of its hash."""
        self.fields |= {name: as_bytes(value) for name, value in fields.items()}

    def count(self, name: str) -> None:
        """Add one to a field of its hash."""
        self.fields[name] = as_bytes(int(self.fields.get(name, b"0")) + 1)


class InlineJobs:
    """Hold all jobs of an inline block, in the order in which they were added."""

    def __init__(self) -> None:
        self._by_key: dict[str, InlineJob] = {}
        self._counters: dict[str, int] = {}
        self._deduplicated: dict[tuple[str, str], str] = {}

    def __iter__(self) -> Any:  # noqa: ANN401 - an iterator of jobs, which is what a dictionary's values give
        return iter(list(self._by_key.values()))

    def get(self, key: str) -> InlineJob | None:
        """Return the job of that key."""
        return self._by_key.get(key)

    def of_queue(self, base: str) -> list[InlineJob]:
        """Return the jobs of one queue."""
        return [job for job in self._by_key.values() if job.base == base]

    def add(self, base: str, row: Sequence[Word]) -> tuple[Word, InlineJob | None]:
        """Add a job, given as the words of its row.

        Returns:
            Its id, or the code of a refusal; and the job, or None where nothing was added.
        """
        words = dict(zip(_ROW, row, strict=False))
        relations: dict[str, Any] = msgspec.json.decode(as_bytes(words.get("relations") or b"{}"))
        job_id = str(words["id"]) or self._next_id(base)
        if f"{base}{job_id}" in self._by_key:
            return job_id, None
        if (parent_key := relations.get("parentKey")) and parent_key not in self._by_key:
            return _NO_PARENT, None
        deduplication: str | None = relations.get("de", {"id": None})["id"]
        if deduplication and (owner := self._deduplicated.setdefault((base, deduplication), job_id)) != job_id:
            return owner, None
        job = InlineJob(base, job_id, {})
        job.note(**{name: words[name] for name in ("name", "data", "opts", "timestamp", "delay", "priority")})
        if deduplication:
            job.note(deid=deduplication)
        if relations.get("children"):
            job.state = "waiting-children"
        self._by_key[job.key] = job
        if parent_key:
            self._join(job, self._by_key[parent_key], relations["parent"])
        return job_id, job

    def _join(self, job: InlineJob, parent: InlineJob, relation: str) -> None:
        job.note(parentKey=parent.key, parent=relation)
        job.policy = msgspec.json.decode(relation)
        parent.pending.append(job.key)

    def _next_id(self, base: str) -> str:
        self._counters[base] = self._counters.get(base, 0) + 1
        return str(self._counters[base])


def as_bytes(word: Word) -> bytes:
    """Return a word as the server would keep it."""
    return word if isinstance(word, bytes) else str(word).encode()
