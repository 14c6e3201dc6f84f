# Written by tools/unasync.py from oxmq/client/queue_administration.py; change that file, not this one.
"""Steer a queue: hold it, limit it, empty it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from oxmq.codec import check_text, encode_json, instant_ms
from oxmq.durations import Duration, milliseconds, positive_milliseconds
from oxmq.errors import ConfigurationError
from oxmq.ops import administration, jobs, orphans, queues, server
from oxmq.ops.administration import Place
from oxmq.options import RateLimit, check_whole
from oxmq.states import CONTAINERS, JobState, cleanable_containers
from oxmq.sync.queue_handle import QueueHandle
from oxmq.sync.removal import remove

#: How many keys one step of a scan looks at, at most.
_SCAN_AT_ONCE = 10_000


class QueueAdministration(QueueHandle):
    """Change a queue as a whole.

    What concerns many jobs is done in many short calls, between which everybody else goes on: a queue of a million
    jobs is not held up. So these methods are not done at one moment, and what is added meanwhile may be left out.
    """

    def pause(self) -> None:
        """Let no worker start another job of this queue; those that run go on."""
        self._context.runner.run(queues.pause(self._context.keys))

    def resume(self) -> None:
        """Let workers start jobs again."""
        first = True
        while self._context.runner.run(queues.resume(self._context.keys, first=first)):
            first = False

    def is_paused(self) -> bool:
        return self._context.runner.run(queues.is_paused(self._context.keys))

    def set_global_concurrency(self, concurrency: int) -> None:
        """Let at most `concurrency` jobs of this queue run at once, over all workers."""
        check_whole(concurrency, "concurrency", least=1)
        self._context.runner.run(queues.set_meta(self._context.keys, {"concurrency": concurrency}))

    def remove_global_concurrency(self) -> None:
        self._context.runner.run(queues.remove_meta(self._context.keys, ["concurrency"]))

    def set_global_rate_limit(self, limit: RateLimit) -> None:
        """Let at most `limit.max` jobs of this queue start in each window, over all workers."""
        fields = {"max": limit.max, "duration": milliseconds(limit.duration, "RateLimit.duration")}
        self._context.runner.run(queues.set_meta(self._context.keys, fields))

    def remove_global_rate_limit(self) -> None:
        self._context.runner.run(queues.remove_meta(self._context.keys, ["max", "duration"]))

    def rate_limit(self, duration: Duration) -> None:
        """Let no job of this queue start for `duration`."""
        self._context.runner.run(queues.hold(self._context.keys, positive_milliseconds(duration, "duration")))

    def remove_rate_limit_key(self) -> int:
        """Let jobs start again that a rate limit holds back until its window ends; return 1, or 0 if none did.

        Workers that were told of the limit already still wait for as long as they were told.
        """
        return self._context.runner.run(administration.remove_rate_limit(self._context.keys))

    def remove_deduplication_key(self, deduplication_id: str) -> int:
        """Free a deduplication id, so that the next job of that id is added; return 1, or 0 if nobody owned it."""
        check_text(deduplication_id, "deduplication_id")
        return self._context.runner.run(administration.remove_deduplication(self._context.keys, deduplication_id))

    # ---- emptying ----------------------------------------------------------------------------------------------------

    def remove(self, job_id: str, remove_children: bool = True) -> int:
        """Remove a job, and its children with it; return 0 when a worker runs one of them, else 1, also for none."""
        return int(remove(self._context, job_id, children=remove_children))

    def drain(self, delayed: bool = False) -> None:
        """Delete the jobs that have not begun: waiting, prioritized and, if asked, delayed.

        A job scheduler's next job stays, and so do jobs that are running or that have ended.
        """
        containers = [*CONTAINERS[JobState.WAITING], "prioritized", *(("delayed",) if delayed else ())]
        for container in containers:
            self._drain(container)

    def clean(self, grace: Duration, limit: int = 1000, state: str = JobState.COMPLETED) -> list[str]:
        """Delete the jobs of one state that are older than `grace`, the oldest or next to run first.

        What has ended, or waits for children, is as old as that; everything else as its latest start, or else its
        creation. Of running jobs those go whose lock is lost. A job scheduler's next job stays.

        Args:
            grace: how old jobs must be; 0 for all.
            limit: how many to delete at most; 0 for any number.
            state: a `JobState`; BullMQ's ``wait`` and ``paused`` are understood as well.

        Returns:
            The ids of the jobs deleted. After a connection was lost in between, some may be missing.

        Raises:
            OutcomeUnknownError: with a `limit`, when an answer was lost: some were deleted.
        """
        check_whole(limit, "limit", least=0)
        cutoff = self._context.clock.now_ms() - milliseconds(grace, "grace")
        deleted: list[str] = []
        for at, container in enumerate(cleanable_containers(state)):
            if not limit or len(deleted) < limit:
                most = limit - len(deleted) if limit else None
                deleted += self._clean(container, cutoff, most, first=at == 0)
        return deleted

    def obliterate(self, force: bool = False, count: int = 1000) -> None:
        """Delete the queue and everything in it. It is paused first, and stays so when this is refused.

        A parent in another queue that waits for children here no longer waits for them.

        Args:
            force: also when jobs are running; their workers find them gone.
            count: how many jobs one call to Redis deletes at most; never more than 250.

        Raises:
            QueueStateError: jobs are running, or somebody has resumed the queue meanwhile.
        """
        check_whole(count, "count", least=1)
        self.pause()
        while self._context.runner.run(administration.obliterate(self._context.keys, count, force=force)):
            pass

    def remove_orphaned_jobs(self, count: int = 1000, limit: int = 0) -> int:
        """Delete jobs that are in no state, so that nothing would ever run or show them; return how many.

        Such are left behind when lists are lost, for one by older libraries that overwrite them. Looks at every key
        of the database, and keeps the ids of all jobs that wait or run in memory.

        Args:
            count: how many keys one call looks at.
            limit: how many jobs to delete at most; 0 for any number.
        """
        check_whole(count, "count", least=1)
        check_whole(limit, "limit", least=0)
        listed = self._listed_ids()
        pattern = orphans.pattern(self._context.keys)
        removed: set[str] = set()
        cursor = -1
        while cursor and not (limit and len(removed) >= limit):
            page = self._context.runner.run(server.scan(max(cursor, 0), pattern, min(count, _SCAN_AT_ONCE)))
            cursor = page.cursor
            strays = orphans.candidates(self._context.keys, page.keys) - listed - removed
            removed |= self._remove_orphans(sorted(strays), limit - len(removed) if limit else None)
        return len(removed)

    # ---- moving ------------------------------------------------------------------------------------------------------

    def retry_jobs(self, state: str = JobState.FAILED, count: int = 1000, timestamp: datetime | None = None) -> None:
        """Run the failed (or, with ``state="completed"``, the completed) jobs again, the oldest first.

        They go to the jobs that wait, whatever their priority.

        Args:
            count: how many jobs one call to Redis moves at most; never more than 250.
            timestamp: only those that ended no later than then; now when not given.
        """
        if state not in (JobState.FAILED, JobState.COMPLETED):
            raise ConfigurationError(f'state must be "failed" or "completed", not {state!r}')
        upto = self._context.clock.now_ms() if timestamp is None else _moment_ms(timestamp, "timestamp")
        self._requeue(str(state), upto, count)

    def promote_jobs(self, count: int = 1000) -> None:
        """Make all delayed jobs ready now, whatever their priority; `count` is as for `retry_jobs`."""
        self._requeue("delayed", None, count)

    # ---- events ------------------------------------------------------------------------------------------------------

    def set_max_events(self, max_events: int) -> None:
        """Let the queue's stream keep about so many events from now on, 10,000 where nobody says; it is remembered."""
        check_whole(max_events, "max_events", least=1)
        self._context.runner.run(queues.set_meta(self._context.keys, {"opts.maxLenEvents": max_events}))

    def trim_events(self, max_length: int) -> int:
        """Delete old events so that about `max_length` are left; return how many went."""
        check_whole(max_length, "max_length", least=0)
        trimmed = removed = self._context.runner.run(administration.trim_events(self._context.keys, max_length))
        while administration.trimmed_fully(removed):
            removed = self._context.runner.run(administration.trim_events(self._context.keys, max_length))
            trimmed += removed
        return trimmed

    def publish_event(self, name: str, fields: Mapping[str, str | int] | None = None, max_events: int = 1000) -> None:
        """Write an event of one's own to the queue's stream, for its readers.

        Args:
            name: what happened.
            fields: what it says; ``jobId`` names the job that it is about.
            max_events: about how many events the stream keeps, older ones of the queue's own among them.

        Raises:
            OutcomeUnknownError: it may have been written.
        """
        said = dict(fields or {})
        _check_event(name, said)
        check_whole(max_events, "max_events", least=1)
        self._context.runner.run(administration.publish_event(self._context.keys, name, said, max_events))

    # ---- jobs by their ids -------------------------------------------------------------------------------------------

    def update_job_progress(self, job_id: str, progress: object) -> None:
        """Report how far a job has come: a number, or any JSON value. Raises `JobNotFoundError` when it is gone."""
        encoded = encode_json(progress, f"progress of job {job_id}")
        self._context.runner.run(jobs.update_progress(self._context.keys, job_id, encoded))

    def add_job_log(self, job_id: str, row: str, keep: int | None = None) -> int:
        """Append a line to a job's log; return how many lines it has. Only the `keep` newest are kept, if given.

        Raises:
            JobNotFoundError: the job is gone.
            OutcomeUnknownError: the line may be there.
        """
        check_text(row, f"log line of job {job_id}")
        if keep is not None:
            check_whole(keep, "keep", least=1)
        return self._context.runner.run(jobs.add_log(self._context.keys, job_id, row, keep))

    # ---- one piece after the other -----------------------------------------------------------------------------------

    def _drain(self, container: str) -> None:
        place: Place = Place()
        left: int | None = None
        while left is None or left > 0:
            piece = self._context.runner.run(administration.drain(self._context.keys, container, place))
            # What was added since the first look is none of our business; else this might never end.
            left = (piece.length if left is None else left) - piece.looked
            place = piece.place
            if not piece.more:
                break

    def _clean(self, container: str, cutoff: int, most: int | None, *, first: bool) -> list[str]:
        deleted: list[str] = []
        place: Place = Place()
        left: int | None = None
        while left is None or left > 0:
            wanted = None if most is None else most - len(deleted)
            call = administration.clean(self._context.keys, container, cutoff, place, most=wanted, first=first)
            piece = self._context.runner.run(call)
            deleted += piece.ids
            left = (piece.length if left is None else left) - piece.looked
            place, first = piece.place, False
            if not piece.more or (most is not None and len(deleted) >= most):
                break
        return deleted

    def _requeue(self, state: str, upto_ms: int | None, count: int) -> None:
        check_whole(count, "count", least=1)
        left: int | None = None
        while left is None or left > 0:
            done = self._context.runner.run(administration.requeue(self._context.keys, state, upto_ms, count))
            # Jobs that come back to the state meanwhile have had their turn.
            left = (done.moved + done.left if left is None else left) - done.moved
            if not done.left:
                break

    def _listed_ids(self) -> set[str]:
        found: set[str] = set()
        for container in orphans.LISTS:
            start, ids = 0, [""]
            while ids:
                call = queues.get_listed_ids(self._context.keys, container, start, start + orphans.LISTED_AT_ONCE - 1)
                ids = self._context.runner.run(call)
                found.update(ids)
                start += len(ids)
        return found

    def _remove_orphans(self, strays: list[str], most: int | None) -> set[str]:
        removed: set[str] = set()
        start = 0
        while start < len(strays) and (most is None or len(removed) < most):
            batch = strays[start : start + orphans.ASKED_AT_ONCE]
            wanted = None if most is None else most - len(removed)
            answers = self._context.runner.run(administration.remove_orphans(self._context.keys, batch, wanted))
            removed.update(job_id for job_id, gone in zip(batch, answers, strict=False) if gone)
            start += len(answers)
        return removed


def _moment_ms(value: datetime, field: str) -> int:
    if not isinstance(value, datetime) or value.tzinfo is None:  # pyright: ignore[reportUnnecessaryIsInstance] - callers need not be typed
        raise ConfigurationError(f"{field} must be a datetime with a time zone, not {value!r}")
    return instant_ms(value)


def _check_event(name: str, fields: Mapping[str, str | int]) -> None:
    check_text(name, "name")
    if not name or name.startswith("oxmq:"):
        raise ConfigurationError(f"name must be a text that does not begin with 'oxmq:', not {name!r}")
    for field, value in fields.items():
        if not isinstance(field, str) or field == "event":  # pyright: ignore[reportUnnecessaryIsInstance] - callers need not be typed
            raise ConfigurationError(f'fields must have names that are strings other than "event", not {field!r}')
        if isinstance(value, bool) or not isinstance(value, str | int):  # pyright: ignore[reportUnnecessaryIsInstance] - callers need not be typed
            raise ConfigurationError(f"fields[{field!r}] must be a string or a whole number, not {value!r}")
