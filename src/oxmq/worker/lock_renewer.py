"""Keep the locks of running jobs alive, from a thread and a connection of their own.

So neither a handler that blocks the event loop nor a slow transfer on the worker's connection lets a lock run out.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

from oxmq.errors import OxmqError
from oxmq.keys import QueueKeys
from oxmq.ops import lifecycle
from oxmq.ops.call import Call
from oxmq.transport.sync_runner import SyncRunner

#: How many locks one call renews at most.
_BATCH = 500
#: For which part of a lock's life its loss is not told yet.
_LINGER = 1 / 30


class LockRenewer:
    """Renew every tracked lock three times in its life.

    Args:
        runner: a blocking runner that nothing else uses.
        on_lost: called, in the renewer's thread, with the ids whose lock is another's or gone.
        on_error: called, in the renewer's thread, with each failure to reach Redis.
        max_silence: stop renewing when `beat` was not called for so many seconds: the loop is taken for dead, and
            its jobs for others to recover.
        speak_for_loop: given for how many seconds `beat` was not called, returns what is to be told Redis about it.
    """

    def __init__(
        self,
        runner: SyncRunner,
        keys: QueueKeys,
        lock_ms: int,
        on_lost: Callable[[list[str]], None],
        on_error: Callable[[Exception], None],
        max_silence: float,
        speak_for_loop: Callable[[float], Call[Any] | None] = lambda _: None,
    ) -> None:
        self._runner = runner
        self._keys = keys
        self._lock_ms = lock_ms
        self._on_lost = on_lost
        self._on_error = on_error
        self._max_silence = max_silence
        self._speak_for_loop = speak_for_loop
        self._tokens: dict[str, str] = {}
        self._told: set[tuple[str, str]] = set()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._beat = self.last_renewal = time.monotonic()

    def track(self, job_id: str, token: str) -> None:
        """Renew this lock from now on. May be called from the loop while the thread runs."""
        self._tokens[job_id] = token

    def untrack(self, job_id: str, token: str) -> None:
        """Renew this lock no more. The job may be running again under another token."""
        if self._tokens.get(job_id) == token:
            del self._tokens[job_id]

    def beat(self) -> None:
        """Say that the event loop is alive."""
        self._beat = time.monotonic()

    def start(self) -> None:
        """Start the thread."""
        if self._thread is None:
            self._stopped.clear()
            self._thread = threading.Thread(target=self._run, name="oxmq-lock-renewer", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop the thread; blocks until a renewal under way has ended."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._stopped.set()
            thread.join()
            self._runner.close()

    def _run(self) -> None:
        # The first time without a lock: the connection and the script are there before one depends on them.
        self._renew_all()
        while not self._stopped.wait(self._lock_ms / 3000):
            silent = time.monotonic() - self._beat
            if silent > self._max_silence:
                self._on_error(OxmqError(f"the event loop was silent for {self._max_silence} s; locks run out"))
            else:
                self._renew_all()
            self._speak(silent)

    def _speak(self, silent: float) -> None:
        call = self._speak_for_loop(silent)
        if call is not None:
            with contextlib.suppress(OxmqError):
                self._runner.run(call)

    def _renew_all(self) -> None:
        # A copy in one step: the loop goes on tracking meanwhile.
        tokens = list(self._tokens.copy().items())
        missing: set[str] = set()
        try:
            for start in range(0, max(1, len(tokens)), _BATCH):
                batch = tokens[start : start + _BATCH]
                lost = self._runner.run(lifecycle.extend_locks(self._keys, batch, self._lock_ms))
                missing.update(lost)
            self.last_renewal = time.monotonic()
        except OxmqError as error:
            self._on_error(error)
        self._told.intersection_update(tokens)
        self._tell_lost([(job_id, token) for job_id, token in tokens if job_id in missing])

    def _tell_lost(self, missing: list[tuple[str, str]]) -> None:
        # Not at once: a job that has just ended has no lock either, and the answer that says so is on its way.
        if not missing or self._stopped.wait(self._lock_ms / 1000 * _LINGER):
            return
        gone = [lock for lock in missing if lock not in self._told and self._tokens.get(lock[0]) == lock[1]]
        self._told.update(gone)
        if gone:
            self._on_lost([job_id for job_id, _ in gone])
