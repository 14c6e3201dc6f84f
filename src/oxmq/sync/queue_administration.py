# Written by tools/unasync.py from oxmq/client/queue_administration.py; change that file, not this one.
"""Steer a queue: hold it, limit it, empty it."""

from __future__ import annotations

from oxmq.durations import Duration, milliseconds, positive_milliseconds
from oxmq.ops import jobs, queues
from oxmq.options import RateLimit, check_whole
from oxmq.sync.queue_handle import QueueHandle


class QueueAdministration(QueueHandle):
    """Change a queue as a whole."""

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

    def get_global_concurrency(self) -> int | None:
        stored = (self._context.runner.run(queues.get_meta(self._context.keys))).get("concurrency")
        return None if stored is None else int(stored)

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

    def remove(self, job_id: str) -> int:
        """Remove a job; return 0 when a worker is running it, else 1, also where there was none."""
        return self._context.runner.run(jobs.remove(self._context.keys, job_id))
