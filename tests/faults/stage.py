"""Set the stage of a fault: a real server, workers and producers in processes of their own, their history."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable
from pathlib import Path
from time import monotonic
from typing import Any, Self, cast

from oxmq.sync import Queue
from tests.faults.keyspace import Keyspace
from tests.support.checker import Verdict, assert_sound
from tests.support.history import Reader, Record, Writer
from tests.support.processes import Process, Processes
from tests.support.servers import Flavour, RedisServer
from tests.support.waiting import eventually_sync

#: Small times, so that what takes minutes in the field takes seconds here.
TIMES: dict[str, Any] = {"lock_duration": 1, "stalled_interval": 0.4, "drain_delay": 0.3, "grace": 5}
#: A worker takes a job at the latest so many seconds after the last fault has gone.
RECOVERY = 5.0
#: How long a queue may take to run dry, in seconds.
DRAIN = 30.0
#: Which server to run against.
FLAVOUR = cast("Flavour", os.environ.get("OXMQ_TEST_SERVER", "valkey"))


class Stage:
    """Hold one test's processes and queue.

    Args:
        directory: for the history and the logs.
        url: for the workers and producers, where it is not the server's own: a proxy's.
    """

    def __init__(self, directory: Path, server: RedisServer, url: str = "", max_stalled: int = 1) -> None:
        self.server = server
        self.url = url or server.url
        self.queue = f"faults-{uuid.uuid4().hex[:8]}"
        self._history = directory / "history.jsonl"
        self._reader = Reader(self._history)
        self._max_stalled = max_stalled
        self._processes = Processes(directory, {"OXMQ_URL": self.url, "TEST_QUEUE": self.queue})
        self._workers: list[Process] = []
        self._producers: list[Process] = []
        self._client = server.client()
        self.keyspace = Keyspace(self._client, server.url, self.queue, max_stalled)
        self.keyspace.keep_all_events()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._processes.__exit__(*error)
        self._client.close()

    @property
    def records(self) -> list[Record]:
        """Return the history so far."""
        return self._reader.records()

    @property
    def workers(self) -> list[Process]:
        """Return the workers that run."""
        return [worker for worker in self._workers if worker.exit_code is None]

    def start_workers(self, count: int = 1, url: str = "", queue: str = "", **options: Any) -> list[Process]:
        """Start workers and wait until they are ready; `options` are `oxmq.Worker`'s. The queue is the stage's."""
        text = json.dumps({**TIMES, "concurrency": 5, "max_stalled_count": self._max_stalled, **options})
        started = [self._start("worker_process", url or self.url, text, queue) for _ in range(count)]
        self._workers += started
        self._until_ready(started)
        return started

    def start_producers(self, count: int = 1, url: str = "", **plan: Any) -> list[Process]:
        """Start producers, which add until they are told to stop; `plan` is described there."""
        started = [self._start("producer_process", url or self.url, json.dumps(plan)) for _ in range(count)]
        self._producers += started
        self._until_ready(started)
        return started

    def start_app(self, module: str) -> Process:
        """Start an app's worker, whose tasks are in the stage's queue, and wait until it is ready."""
        worker = self._processes.start(f"tests.faults.{module}", str(self._history))
        self._workers.append(worker)
        self._until_ready([worker])
        return worker

    def add(self, key: str, *, attempts: int = 1, deed: str = "sleep", **data: Any) -> str:
        """Add one job from here, straight to the server; its key is its id."""
        return self.add_task("work", key, attempts=attempts, deed=deed, **data)

    def note_adds(self, keys: Iterable[str]) -> None:
        """Write down that jobs of these keys were added."""
        history = Writer(self._history)
        for key in keys:
            history.write("add", "invoke", key=key)
            history.write("add", "ok", key=key)

    def add_task(self, name: str, key: str, *, attempts: int = 1, **data: Any) -> str:
        """Add one job of the given name from here, straight to the server; its key is its id."""
        history = Writer(self._history)
        history.write("add", "invoke", key=key)
        with Queue(self.queue, connection=self.server.url) as queue:
            queue.add(name, {"key": key, **data}, job_id=key, attempts=attempts)
        history.write("add", "ok", key=key)
        return key

    def count(self, what: str, *, since: float = 0.0, pid: int | None = None, key: str = "", how: str = "") -> int:
        """Return how many records of the history are of this kind."""
        return sum(
            record.what == what
            and record.at >= since
            and pid in (None, record.pid)
            and key in ("", record.key)
            and how in ("", record.how)
            for record in self.records
        )

    def until(self, what: str, count: int = 1, seconds: float = 10.0, **which: Any) -> None:
        """Wait until the history has so many records of this kind."""
        eventually_sync(
            lambda: self.count(what, **which) >= count, seconds, f"fewer than {count} records {what!r} {which}"
        )

    def let_locks_run_out(self) -> None:
        """Freeze the server for twice the life of a lock."""
        self.server.freeze()
        begun = monotonic()
        eventually_sync(lambda: monotonic() - begun > 2 * TIMES["lock_duration"], 10)
        self.server.thaw()

    def assert_recovered(self, seconds: float = RECOVERY) -> float:
        """Check that each worker starts a job within so many seconds from now; return how long the last one took.

        Jobs are added one after the other until every worker has had one: only progress counts as progress.
        """
        begun = monotonic()
        number = 0

        def all_have() -> bool:
            nonlocal number
            started = {record.pid for record in self.records if record.what == "start" and record.at > begun}
            missing = {worker.pid for worker in self.workers} - started
            if missing and self.keyspace.count("wait") < 2 * len(self.workers):
                number += 1
                self.add(f"probe-{begun:.3f}-{number}", seconds=0.05)
            return not missing

        eventually_sync(all_have, seconds, "a worker is wedged")
        taken = monotonic() - begun
        eventually_sync(lambda: all(map(self.is_healthy, self.workers)), 2, "a worker does not say that it is well")
        return taken

    def is_healthy(self, worker: Process) -> bool:
        """Return what the worker last said of its own health."""
        said = [record for record in self.records if record.what == "health" and record.pid == worker.pid]
        return bool(said) and said[-1].how == "ok"

    def stop_producers(self) -> None:
        """Stop adding; what is under way ends."""
        running = [producer for producer in self._producers if producer.exit_code is None]
        for producer in running:
            producer.terminate()
        for producer in running:
            assert producer.wait(15) == 0, producer.tail()

    def drain(self, seconds: float = DRAIN) -> None:
        """Wait until every job has ended."""
        unfinished = ("wait", "paused", "active", "delayed", "prioritized", "waiting-children")
        eventually_sync(lambda: self.keyspace.count(*unfinished) == 0, seconds, "the queue does not run dry")

    def stop_workers(self, seconds: float = 10.0) -> None:
        """Stop the workers in good order."""
        running = self.workers
        for worker in running:
            worker.terminate()
        for worker in running:
            assert worker.wait(seconds) == 0, worker.tail()

    def finish(self, excused_starts: int = 0, *, failed: int = 0) -> Verdict:
        """End the load, let the queue run dry, and check everything that must hold after any fault.

        Args:
            excused_starts: how many more starts than usual the fault excuses, a job.
            failed: how many jobs may have failed.
        """
        self.stop_producers()
        self.drain()
        self.stop_workers()
        verdict = assert_sound(self.records, self.keyspace.jobs(), excused_starts)
        assert self.keyspace.contradictions() == []
        assert self.keyspace.count("failed") <= failed, [job for job in self.keyspace.jobs() if job.state == "failed"]
        for process in self._processes.all():
            process.assert_careful()
        return verdict

    def _start(self, module: str, url: str, text: str, queue: str = "") -> Process:
        return self._processes.start(f"tests.faults.{module}", url, queue or self.queue, str(self._history), text)

    def _until_ready(self, processes: list[Process]) -> None:
        wanted = {process.pid for process in processes}

        def ready() -> bool:
            ended = [process for process in processes if process.exit_code is not None]
            there = {record.pid for record in self.records if record.what == "ready"}
            for process in ended:  # a job may have killed it since
                assert process.pid in there, f"{process.name} ended at its start:\n{process.tail()}"
            return wanted <= there

        eventually_sync(ready, 15, "a process does not start")
