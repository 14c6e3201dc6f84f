"""Be the program of a pod that runs a task: find the job, run it, leave the result.

It never ends the job itself: the worker that follows it does, with the lock that it holds. What it writes is refused
when another run, or another pod, has taken its place.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

from oxmq.clock import Clock
from oxmq.errors import BackendError, ConfigurationError
from oxmq.executors.child_task import ChildTask, Reference, Reply, run_here
from oxmq.executors.sigterm import stop_handler_on_sigterm
from oxmq.keys import QueueKeys
from oxmq.ops import jobs, remote_runs
from oxmq.ops.remote_runs import Left
from oxmq.records import JobRecord
from oxmq.transport.sync_runner import SyncRunner

_T = TypeVar("_T")

_log = logging.getLogger("oxmq.kubernetes")

#: How often the pod says that it lives, in seconds: at least four times in what others take for silence.
_BEAT: Final = 5.0
#: How long to wait before Redis is asked once more, in seconds.
_PAUSE: Final = 1.0
#: How long a handler may take to end that was told to because nobody wants this run, in seconds.
_GRACE: Final = 30.0
#: Exit codes: the task has failed; nobody wants this run; Redis could not be reached; told to end.
EXIT_FAILED, EXIT_UNWANTED, EXIT_UNREACHABLE, EXIT_STOPPED = 1, 3, 75, 143


class _Run:
    """Hold which run this is, and speak for it.

    Attributes:
        patience: for how long Redis may be out of reach, in seconds.
        verdict: the exit code where the handler is stopped: why it was.
    """

    def __init__(self, task: ChildTask, job_id: str, number: int, patience: float) -> None:
        context = task.surroundings
        self._runner: SyncRunner = context.runner
        self._clock: Clock = context.clock
        self._keys: QueueKeys = context.keys
        self._pod = os.environ.get("OXMQ_POD") or socket.gethostname()
        self._added_ms = _read_added()
        self.job_id = job_id
        self.number = number
        self.patience = patience
        self._heard = time.monotonic()
        self.verdict = EXIT_STOPPED

    def read_job(self) -> JobRecord | None:
        return self._patiently(lambda: self._runner.run(jobs.get(self._keys, self.job_id)))

    def beat(self) -> bool:
        """Say that the pod lives; return whether it should."""

        def ask() -> bool:
            now = self._clock.now_ms()
            return self._runner.run(
                remote_runs.beat_run(self._keys, self.job_id, self.number, self._pod, now, added_ms=self._added_ms)
            )

        return self._patiently(ask)

    def leave(self, reply: Reply) -> bool:
        """Leave what became of the run; return whether anybody wants it."""
        left = Left(
            number=self.number,
            result=None if reply.result is None else reply.result.decode(),
            message=reply.message,
            trace=reply.trace,
            signal=reply.signal,
            seconds=reply.seconds,
        )
        call = remote_runs.leave_result(self._keys, self.job_id, self._pod, left, added_ms=self._added_ms)
        return self._patiently(lambda: self._runner.run(call))

    def _patiently(self, ask: Callable[[], _T]) -> _T:
        """Ask until there is an answer, or the last one is too long ago: by then others take this pod for lost."""
        while True:
            try:
                answer = ask()
            except BackendError:
                if time.monotonic() > self._heard + self.patience:
                    raise
                time.sleep(_PAUSE)
            else:
                self._heard = time.monotonic()
                return answer


def run_job(target: str, queue: str, job_id: str, number: int, patience: float) -> int:
    """Run a job of a task in this process, and return the exit code.

    Args:
        target: the task, as ``module:name``.
        queue: the queue that the task is expected to have.
        job_id: the job.
        number: which run of the job this is.
        patience: how long Redis may be out of reach, in seconds, before this gives up.

    Raises:
        ConfigurationError: the task cannot be found, or is of another queue.
        BackendError: Redis was out of reach for too long.
    """
    signal.signal(signal.SIGTERM, _leave)  # a container's first process ends by no signal that it does not handle
    reference = _read_target(target)
    task = _find(reference, target)
    if task.surroundings.keys.name != queue:
        raise ConfigurationError(f"{target} is a task of queue {task.surroundings.keys.name!r}, not of {queue!r}")
    run = _Run(task, job_id, number, patience)
    if not run.beat():
        _log.error("run %d of job %s is not wanted: it has ended or was replaced", number, job_id)
        return EXIT_UNWANTED
    record = run.read_job()
    if record is None:
        return EXIT_UNWANTED
    return _work(run, reference, record)


def _work(run: _Run, reference: Reference, record: JobRecord) -> int:
    stopped, ended = threading.Event(), threading.Event()
    threading.Thread(target=_keep_beating, args=(run, ended), name="heart", daemon=True).start()
    reply = _run_until_stopped(reference, record, stopped)
    ended.set()
    if reply is None or (stopped.is_set() and reply.result is None):
        # The handler was stopped: whoever did that decides what becomes of the job.
        return run.verdict
    if not run.leave(reply):
        return EXIT_UNWANTED
    if reply.result is None:
        _log.error("job %s has failed: %s\n%s", run.job_id, reply.message, reply.trace)
    return 0 if reply.result is not None else EXIT_FAILED


def _run_until_stopped(reference: Reference, record: JobRecord, stopped: threading.Event) -> Reply | None:
    def on_stop() -> None:
        # A second one must not break off the handler's cleaning up.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        stopped.set()

    reply: Reply | None = None
    try:
        stop_handler_on_sigterm(on_stop)
        reply = run_here(reference, record, "")
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    except SystemExit:
        return reply  # it came just before the handler began, or just after it ended
    return reply


def _leave(_number: int, _frame: object) -> None:
    raise SystemExit(EXIT_STOPPED)


def _keep_beating(run: _Run, ended: threading.Event) -> None:
    while not ended.wait(min(_BEAT, max(run.patience, _PAUSE) / 4)):
        try:
            if run.beat():
                continue
            run.verdict, why = EXIT_UNWANTED, "its job has ended, was cancelled, or has another run"
        except BackendError as error:
            run.verdict, why = EXIT_UNREACHABLE, f"this pod must be taken for lost: {error}"
        if not ended.is_set():
            _log.error("run %d of job %s is stopped: %s", run.number, run.job_id, why)
            _end(run, ended)
        return


def _end(run: _Run, ended: threading.Event) -> None:
    """Stop the handler as the cluster would: it is told first, and made to a while later."""
    os.kill(os.getpid(), signal.SIGTERM)
    if not ended.wait(_GRACE):
        os._exit(run.verdict)


def _read_added() -> int | None:
    text = os.environ.get("OXMQ_JOB_ADDED", "")
    return int(text) if text.isascii() and text.removeprefix("-").isdigit() else None


def _find(reference: Reference, target: str) -> ChildTask:
    try:
        return reference.resolve()
    except (ModuleNotFoundError, AttributeError, TypeError) as error:
        raise ConfigurationError(f"this image has no task {target}: {error}") from error


def _read_target(target: str) -> Reference:
    module, _, qualname = target.partition(":")
    if not module or not qualname:
        raise ConfigurationError(f"name the task as module:function, not {target!r:.80}")
    return Reference(module, qualname)
