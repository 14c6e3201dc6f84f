"""Exchange jobs with Redis: outcomes go out and new jobs come in, in the same calls.

This is a group commit. An idle worker's first outcome leaves at once; what ends while a call is under way goes with
the next. A second call goes out beside the first only when it carries enough, so that Redis and Python work at the
same time. Nothing that was not confirmed is forgotten: it is sent again until Redis has answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

from oxmq.clock import Clock
from oxmq.errors import BackendError, OutcomeUnknownError, OxmqError, UnavailableError
from oxmq.keys import QueueKeys
from oxmq.ops import jobs, lifecycle, outcomes
from oxmq.ops.lifecycle import Finished, Outcome, TakeTerms
from oxmq.records import JobRecord
from oxmq.transport.runner import AsyncRunner

#: How many jobs one call ends or takes at most: it bounds how long the script runs, to about 5 ms.
_MAX_BATCH = 200
#: How many calls may be under way.
_MAX_CALLS = 2
#: How long to wait before the next call after one that failed, in seconds.
_FAILURE_PAUSE = 0.2
#: How long a rate limit is slept through at most before the worker looks again, in seconds.
_MAX_LIMITED = 30.0


class Listener(Protocol):
    """Hear what came of an exchange."""

    def start_jobs(self, records: list[JobRecord], token: str) -> None:
        """Start jobs that were taken."""
        ...

    def outcome_accepted(self, outcome: Outcome) -> None:
        """Note that Redis has recorded an outcome."""
        ...

    def outcome_refused(self, outcome: Outcome, refusal: OxmqError) -> Outcome | None:
        """Note that Redis has refused an outcome; return the one to send in its place, if there is one."""
        ...

    def report_error(self, error: Exception) -> None:
        """Tell whoever listens that something went wrong."""
        ...

    def first_answered(self) -> None:
        """Note that Redis has answered for the first time."""
        ...

    def queue_drained(self) -> None:
        """Note that after some jobs there are no more."""
        ...


class Pending(Struct):
    """Hold an outcome on its way, and whether an earlier call with it was left without an answer."""

    outcome: Outcome
    unconfirmed: bool = False


class Exchange:
    """Exchange the jobs of one queue.

    Args:
        slots: how many jobs may run at once.
        make_token: makes the token of each take.
    """

    def __init__(
        self,
        runner: AsyncRunner,
        keys: QueueKeys,
        clock: Clock,
        terms: TakeTerms,
        slots: int,
        make_token: Callable[[], str],
        listener: Listener,
    ) -> None:
        self._runner = runner
        self._keys = keys
        self._clock = clock
        self._terms = terms
        self._make_token = make_token
        self._listener = listener
        self._batch = _batch_of(slots)
        self._outcomes: list[Pending] = []
        self._calls: set[asyncio.Task[None]] = set()
        self._scheduled = False
        self._closed = False
        self._resume_at = 0.0
        self._slots = self.free = slots
        self.taking = False
        # Whether there may be jobs that no call under way will find, and whether the last one found all it asked for.
        self._may_find = False
        self._plenty = False
        self.drained = asyncio.Event()
        self.settled = asyncio.Event()
        self.settled.set()
        self.next_due_ms: int | None = None
        self._answered = False
        self._had_jobs = False
        self._last_cycle = time.monotonic()

    @property
    def last_cycle(self) -> float:
        """Return when Redis last answered, or when there was last nothing to ask it: now, while that is so."""
        limited = asyncio.get_running_loop().time() < self._resume_at
        if not self._calls and not self._outcomes and (limited or self.free <= 0 or not self.taking):
            self._last_cycle = time.monotonic()
        return self._last_cycle

    @property
    def unconfirmed(self) -> int:
        """Return how many outcomes wait to be sent, again or for the first time."""
        return len(self._outcomes)

    def report(self, outcome: Outcome) -> None:
        """Send the outcome of a run with the next call; its slot is free again."""
        if not self._calls and not self._outcomes:
            self._last_cycle = time.monotonic()
        self._outcomes.append(Pending(outcome))
        self.settled.clear()
        self.free += 1
        if self.free == self._slots:
            self._pump()  # nothing else is running that could come along
        else:
            self.kick()

    def take(self) -> None:
        """Look for jobs, now and from now on."""
        self.taking = self._may_find = True
        self.drained.clear()
        self.kick()

    @property
    def slots(self) -> int:
        """Return how many jobs may run at once."""
        return self._slots

    def set_slots(self, slots: int) -> None:
        """Let so many jobs run at once from now on; those that run go on."""
        self.free += slots - self._slots
        self._slots, self._batch = slots, _batch_of(slots)
        self._may_find = True
        self.kick()

    def take_if_taking(self) -> None:
        """Look for jobs again, unless the worker has stopped taking them."""
        if self.taking:
            self.take()

    def stop_taking(self) -> None:
        """Take no more jobs; outcomes are still sent."""
        self.taking = False

    def kick(self) -> None:
        """Send what there is to send at the end of this turn of the loop."""
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._scheduled_pump)

    async def close(self) -> None:
        """Give up what is under way."""
        self._closed = True
        for call in list(self._calls):
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)

    def _scheduled_pump(self) -> None:
        self._scheduled = False
        self._pump()

    def _pump(self) -> None:
        if self._closed:
            # A handler that was given up may still report; nobody hears it any more.
            return
        while len(self._calls) < _MAX_CALLS:
            batch, count = self._next_call()
            if not batch and not count:
                break
            self._outcomes = self._outcomes[len(batch) :]
            self.settled.clear()
            self.free -= count
            self._may_find = self._may_find and not count
            call = asyncio.get_running_loop().create_task(self._send(batch, count))
            self._calls.add(call)
            call.add_done_callback(self._ended)

    def _next_call(self) -> tuple[list[Pending], int]:
        now = asyncio.get_running_loop().time()
        batch = self._outcomes[: self._batch]
        count = max(0, min(self.free, self._batch)) if self.taking and now >= self._resume_at else 0
        if not batch and not (self._may_find or self._plenty):
            count = 0
        if self._calls and 2 * max(len(batch), count) < self._batch:
            return [], 0  # not worth a call of its own while another is under way
        return batch, count

    def _ended(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        if not self._outcomes and not self._calls:
            self.settled.set()
        self.kick()

    async def _send(self, batch: Sequence[Pending], count: int) -> None:
        token = self._make_token()
        try:
            finished = await self._call(batch, count, token)
        except OutcomeUnknownError as error:
            await self._recover(batch, count, token, error)
        except UnavailableError as error:
            # Nothing was done: it goes out again.
            await self._put_back(batch, count, error)
        except BackendError as error:
            await self._isolate(batch, count, error)
        except asyncio.CancelledError:
            self.free += count
            raise
        except Exception as error:  # noqa: BLE001 - what nobody foresaw must not leave jobs behind, nor be silent
            await self._recover(batch, count, token, error)
        else:
            self._note_answer()
            self.free += count - len(finished.taken.jobs)
            self._note(finished, count)
            # In this order: a job that is to be tried again may be among those taken.
            await self._settle(batch, finished.refusals)
            self._start(finished.taken.jobs, token)
            self._tell_if_drained()

    def _note_answer(self) -> None:
        self._last_cycle = time.monotonic()
        if not self._answered:
            self._answered = True
            self._listener.first_answered()

    def _tell_if_drained(self) -> None:
        if self._had_jobs and self.drained.is_set():
            self._had_jobs = False
            self._listener.queue_drained()

    def _start(self, records: list[JobRecord], token: str) -> None:
        if self.taking and records:
            self._listener.start_jobs(records, token)
            return
        for record in records:
            # Taken by a call that was under way when the worker began to close.
            self.report(outcomes.released(record, token))

    async def _call(self, batch: Sequence[Pending], count: int, token: str) -> Finished:
        now = self._clock.now_ms()
        if batch:
            ended = [pending.outcome for pending in batch]
            return await self._runner.run(lifecycle.finish(self._keys, now, ended, count, token, self._terms))
        return Finished([], await self._runner.run(lifecycle.take(self._keys, now, count, token, self._terms)))

    def _note(self, finished: Finished, count: int) -> None:
        taken = finished.taken
        self._had_jobs = self._had_jobs or bool(taken.jobs)
        self._plenty = 0 < count == len(taken.jobs)
        if finished.refusals and all(finished.refusals):
            # Such a call takes no jobs either.
            self._may_find = True
        if taken.limited_ms:
            self._sleep(min(taken.limited_ms / 1000, _MAX_LIMITED))
            self._may_find = True
        elif self._plenty:
            self._may_find = True
        elif count and not self._may_find:
            # Nothing has been heard since the call left that would be worth another look.
            self.next_due_ms = taken.next_due_ms
            self.drained.set()

    def _sleep(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._resume_at = loop.time() + seconds
        # A little later than the limit ends, so that the look finds it ended.
        loop.call_later(seconds + 0.001, self._resume)

    def _resume(self) -> None:
        self._last_cycle = time.monotonic()
        self.kick()

    async def _settle(self, batch: Sequence[Pending], refusals: Sequence[OxmqError | None]) -> None:
        for pending, refusal in zip(batch, refusals, strict=True):
            if refusal is None or (pending.unconfirmed and await self._was_done(pending.outcome)):
                self._listener.outcome_accepted(pending.outcome)
            else:
                self._refuse(pending.outcome, refusal)

    def _refuse(self, outcome: Outcome, refusal: OxmqError) -> None:
        if (instead := self._listener.outcome_refused(outcome, refusal)) is not None:
            self._outcomes.append(Pending(instead))

    async def _was_done(self, outcome: Outcome) -> bool:
        """Tell whether the call that was left without an answer had recorded the outcome."""
        with contextlib.suppress(BackendError):
            record = await self._runner.run(jobs.get(self._keys, outcome.job_id))
            if record is None:
                return outcome.keep_count == 0
            state = await self._runner.run(jobs.get_state(self._keys, outcome.job_id))
            return state == outcome.kind or (state != "active" and outcome.kind not in ("completed", "failed"))
        return False

    async def _recover(self, batch: Sequence[Pending], count: int, token: str, error: Exception) -> None:
        """Hand back what the call may have taken, then send its outcomes again."""
        self._may_find = True
        await self._put_back([Pending(pending.outcome, True) for pending in batch], count, error)
        while count:
            try:
                await self._runner.run(lifecycle.hand_back(self._keys, token))
            except BackendError as failure:
                self._listener.report_error(failure)
                await asyncio.sleep(_FAILURE_PAUSE)
            else:
                break

    async def _isolate(self, batch: Sequence[Pending], count: int, error: BackendError) -> None:
        """Find the outcome that the script cannot carry out (damaged data), and keep it from the others."""
        if len(batch) > 1:
            self._return_slots(count)
            for pending in batch:
                await self._send([pending], 0)
        elif batch:
            self._return_slots(count)
            self._refuse(batch[0].outcome, error)
        else:
            await self._put_back(batch, count, error)

    async def _put_back(self, batch: Sequence[Pending], count: int, error: Exception) -> None:
        self._return_slots(count)
        self._outcomes[:0] = batch
        self._listener.report_error(error)
        await asyncio.sleep(_FAILURE_PAUSE)

    def _return_slots(self, count: int) -> None:
        """Note that a call has not looked for the jobs that it was to take."""
        self.free += count
        self._may_find = self._may_find or count > 0


def _batch_of(slots: int) -> int:
    """Return how many jobs one call ends or takes: half of what may run, so that two calls keep all at work."""
    return min(_MAX_BATCH, max(1, (slots + 1) // 2))
