"""Answer the calls of an application in inline mode, as far as jobs that run at once have a use for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from oxmq.errors import OxmqError
from oxmq.ops.call import Call, Reply, Word
from oxmq.testing.inline_jobs import InlineJob, InlineJobs, as_bytes

T = TypeVar("T")

#: How many words a row of a flow has: the queue, and those of a job with relations.
_FLOW_ROW = 10
_NOT_FOUND = -1


class NotInlineError(OxmqError):
    """Say that inline mode cannot do what was asked: it needs a server."""


class InlineCalls:
    """Answer calls from the jobs in memory.

    Args:
        jobs: the jobs.
    """

    def __init__(self, jobs: InlineJobs) -> None:
        self._jobs = jobs
        self._answers: dict[str, Callable[[Sequence[Word]], Reply]] = {
            "HGETALL": self._hash,
            "HGET": self._field,
            "HEXISTS": lambda words: int(self._jobs.get(str(words[1])) is not None),
            "SMEMBERS": lambda words: _texts(self._parent(words[1]).pending),
            "ZRANGE": lambda words: _texts(self._parent(words[1]).unsuccessful),
            "LRANGE": self._log_lines,
            "LLEN": lambda words: len(self._logs_of(words[1])),
            "DEL": lambda words: self._logs_of(words[1]).clear(),
            "LTRIM": self._trim_log,
            "add_log": self._add_log,
            "count_children": self._count_children,
            "get_counts": self._count,
            "get_jobs": self._page,
            "get_state": self._state,
            "is_finished": self._end,
            "update_data": lambda words: self._note(words, "data"),
            "update_progress": lambda words: self._note(words, "progress"),
        }

    def answer(self, call: Call[Any]) -> tuple[Reply, list[InlineJob]]:
        """Return the reply to a call, and the jobs that it has added and that may run.

        Raises:
            NotInlineError: it needs a server.
        """
        if call.name == "add":
            return self._add(str(call.words[1]), call.tail, call.rows)
        if call.name == "add_flow":
            return self._add_flow(call.words[2:])
        answer = self._answers.get(call.name)
        if answer is None:
            raise NotInlineError(
                f"inline mode has no {call.name!r}: it runs jobs at once, without a server. "
                "Use the fixture oxmq_app, which has one"
            )
        # The words of a script begin with how many keys it has.
        return answer(call.words if call.script is None else call.words[1:]), []

    def _add(self, base: str, tail: Sequence[Word], rows: int) -> tuple[Reply, list[InlineJob]]:
        width = len(tail) // rows
        added = [self._jobs.add(base, tail[start : start + width]) for start in range(0, len(tail), width)]
        return [_reply(answer) for answer, _ in added], [job for _, job in added if job is not None]

    def _add_flow(self, words: Sequence[Word]) -> tuple[Reply, list[InlineJob]]:
        rows = [words[start : start + _FLOW_ROW] for start in range(0, len(words), _FLOW_ROW)]
        ids: list[Reply] = []
        fresh: list[InlineJob] = []
        for number, (base, *row) in enumerate(rows, start=1):
            answer, job = self._jobs.add(str(base), row)
            if isinstance(answer, int):
                return [answer, number], []
            ids.append(_reply(answer))
            fresh += [job] if job is not None and job.state == "wait" else []
        return ids, fresh

    def _hash(self, words: Sequence[Word]) -> Reply:
        key = str(words[1])
        if job := self._jobs.get(key):
            return job.flat()
        owner, _, part = key.rpartition(":")
        parent = self._jobs.get(owner)
        if parent is None or part not in ("processed", "failed"):
            return []
        values = parent.processed if part == "processed" else parent.ignored
        return [word for child, value in values.items() for word in (child.encode(), value)]

    def _field(self, words: Sequence[Word]) -> Reply:
        job = self._jobs.get(str(words[1]))
        return None if job is None else job.fields.get(str(words[2]))

    def _state(self, words: Sequence[Word]) -> Reply:
        job = self._job(words)
        return b"unknown" if job is None else {"wait": b"waiting"}.get(job.state, job.state.encode())

    def _end(self, words: Sequence[Word]) -> Reply:
        job = self._job(words)
        if job is None:
            return _NOT_FOUND
        if job.state == "completed":
            return [1, job.fields["returnvalue"]]
        if job.state == "failed":
            return [2, job.fields["failedReason"]]
        raise NotInlineError(f"job {job.id} has not ended ({job.state}), and in inline mode nobody can wait for it")

    def _note(self, words: Sequence[Word], field: str) -> Reply:
        job = self._job(words)
        if job is None:
            return _NOT_FOUND
        job.note(**{field: words[2]})
        return 0

    def _add_log(self, words: Sequence[Word]) -> Reply:
        job = self._job(words)
        if job is None:
            return _NOT_FOUND
        job.logs += map(as_bytes, words[3:])
        if words[2] != "":
            _keep_newest(job.logs, int(words[2]))
        return len(job.logs)

    def _log_lines(self, words: Sequence[Word]) -> Reply:
        return _range(self._logs_of(words[1]), int(words[2]), int(words[3]))

    def _trim_log(self, words: Sequence[Word]) -> Reply:
        _keep_newest(self._logs_of(words[1]), -int(words[2]))
        return b"OK"

    def _count_children(self, words: Sequence[Word]) -> Reply:
        job = self._job(words)
        if job is None:
            return [0, 0, 0, 0]
        return [len(job.processed), len(job.pending), len(job.ignored), len(job.unsuccessful)]

    def _count(self, words: Sequence[Word]) -> Reply:
        states = [job.state for job in self._jobs.of_queue(str(words[0]))]
        return [states.count(str(container)) for container in words[1:]]

    def _page(self, words: Sequence[Word]) -> Reply:
        base, container, start, stop, oldest_first = words
        found = [job for job in self._jobs.of_queue(str(base)) if job.state == container]
        page = _range(found if oldest_first else found[::-1], int(start), int(stop))
        return [len(page), [[job.id.encode(), job.flat()] for job in page]]

    def _job(self, words: Sequence[Word]) -> InlineJob | None:
        return self._jobs.get(f"{words[0]!s}{words[1]!s}")

    def _parent(self, key: Word) -> InlineJob:
        return self._jobs.get(str(key).rpartition(":")[0]) or InlineJob("", "", {})

    def _logs_of(self, key: Word) -> list[bytes]:
        return self._parent(key).logs


def _range(items: list[T], start: int, stop: int) -> list[T]:
    """Return the items from `start` to `stop`, both included; below 0 they count from the end, as in Redis."""
    first = start if start >= 0 else max(0, len(items) + start)
    return items[first : (stop if stop >= 0 else len(items) + stop) + 1]


def _keep_newest(logs: list[bytes], keep: int) -> None:
    del logs[: max(0, len(logs) - keep)]


def _reply(answer: Word) -> Reply:
    return answer.encode() if isinstance(answer, str) else answer


def _texts(texts: Sequence[str]) -> list[bytes]:
    return [text.encode() for text in texts]
