"""Stand for the queue's job while this worker holds its lock and its pod runs."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final, NoReturn, TypeVar

from oxmq.client.context import QueueContext
from oxmq.client.job import Job
from oxmq.errors import Delay, OutcomeUnknownError, OxmqError, UnavailableError
from oxmq.keys import QueueKeys
from oxmq.kubernetes.watching import Followed
from oxmq.ops import remote_runs
from oxmq.ops.call import Call
from oxmq.ops.remote_runs import RemoteRun, RunState

_T = TypeVar("_T")

_log = logging.getLogger("oxmq.kubernetes")

#: How long to wait before Redis is asked once more, in seconds.
_PAUSE: Final = 1.0


class HeldJob:
    """Read and note what the job says of its run, and wait with it.

    Attributes:
        noted: the run that this worker has noted or found last.

    Args:
        context: the queue's.
        job: the job, locked by this worker.
        let_go: set when the worker closes: then the job goes back to the queue and its pod goes on.
    """

    def __init__(self, context: QueueContext, job: Job[Any], let_go: asyncio.Event) -> None:
        self._context = context
        self._job = job
        self._let_go = let_go
        self._told = ""
        self.noted: RemoteRun | None = None

    @property
    def keys(self) -> QueueKeys:
        return self._context.keys

    @property
    def id(self) -> str:
        return self._job.id

    @property
    def name(self) -> str:
        return self._job.name

    @property
    def data(self) -> bytes:
        """Return the job's data as JSON."""
        return self._job.record.data

    @property
    def was_stopped(self) -> bool:
        """Tell whether the worker has stopped this run, for whatever reason."""
        return self._job.run is None or self._job.run.stop_requested

    @property
    def is_to_stop(self) -> bool:
        """Tell whether the pod is to be stopped, too: the job was, and does not only go back to the queue."""
        run = self._job.run
        return run is not None and run.stop_requested and not run.handed_back

    def now_ms(self) -> int:
        return self._context.clock.now_ms()

    def seconds_since(self, ms: int) -> float:
        """Return how long ago an instant was, given in milliseconds since the epoch."""
        return (self.now_ms() - ms) / 1000

    async def read_state(self) -> RunState:
        """Read what the job says of its run, once Redis answers."""
        return await self._ask(remote_runs.get_run_state(self.keys, self.id))

    async def note(self, run: RemoteRun, *, fresh: bool = False) -> None:
        """Note a run on the job, once Redis answers: see `remote_runs.note_run`.

        Raises:
            LockLostError: another worker has the job.
        """
        self.noted = run
        await self._ask(self._noting(run, fresh=fresh))

    async def check(self, run: RemoteRun) -> None:
        """Make sure that this worker still holds the job.

        Raises:
            LockLostError: another one has it.
            BackendError: Redis does not answer.
        """
        await self._context.runner.run(self._noting(run))

    async def tell(self, line: str, *, always: bool = False) -> None:
        """Write a line to the job's log, unless the last one said the same."""
        if line == self._told and not always:
            return
        self._told = line
        try:
            await self._job.log(line.encode(errors="backslashreplace").decode())
        except OxmqError as error:
            _log.warning("job %s: a line of its log is lost: %s", self.id, error)

    async def rest(self, seconds: float, followed: Followed | None = None) -> None:
        """Wait for news, at most so long; when the worker closes, give the job back to the queue.

        Raises:
            CancelledError, Delay: it was given back.
        """
        if not self._let_go.is_set():
            news = asyncio.ensure_future(asyncio.sleep(seconds) if followed is None else followed.wait(seconds))
            closing = asyncio.ensure_future(self._let_go.wait())
            try:
                await asyncio.wait((news, closing), return_when=asyncio.FIRST_COMPLETED)
            finally:
                news.cancel()
                closing.cancel()
        if self._let_go.is_set():
            await self._hand_back()

    def _noting(self, run: RemoteRun, *, fresh: bool = False) -> Call[None]:
        return remote_runs.note_run(self.keys, self.id, self._job.token, run, fresh=fresh)

    async def _ask(self, call: Call[_T]) -> _T:
        """Ask Redis until it answers: the pod goes on meanwhile."""
        warned = False
        while True:
            try:
                return await self._context.runner.run(call)
            except (UnavailableError, OutcomeUnknownError) as error:
                if not warned:
                    _log.warning("job %s waits for Redis: %s", self.id, error)
                warned = True
            await self.rest(_PAUSE)

    async def _hand_back(self) -> NoReturn:
        """Give the job back as the next one to be taken, for its pod goes on.

        Raises:
            CancelledError: what ends this run.
            Delay: it has been stopped already.
        """
        if self._job.run is not None:
            self._job.run.hand_back()
            await asyncio.sleep(0)
        raise Delay(0)
