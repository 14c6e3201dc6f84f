"""Decide what becomes of a job whose run has ended: completed, failed, or tried again and when."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from msgspec import Struct, UnsetType

from oxmq.backoff import retry_delay_ms
from oxmq.codec import WireKeep, WireOptions, decode_json_or, encode_json, keep_of, read_backoff, read_options
from oxmq.durations import milliseconds
from oxmq.errors import Unrecoverable
from oxmq.ops.lifecycle import Outcome
from oxmq.options import Backoff, Keep, KeepOption
from oxmq.records import JobRecord

#: How much of a failure's reason is kept, in characters: its beginning.
_MAX_REASON = 16_384
#: How much of one stack trace is kept, in characters: its end, where the cause is.
_MAX_TRACE = 16_384
#: How many stack traces are kept where the job's options say nothing.
_MAX_TRACES = 50

BackoffStrategy = Callable[[int, str, BaseException], float]
"""Return the seconds to wait, given the attempt that failed, the strategy's name and the error; below 0: give up."""


class FinishRules(Struct, frozen=True):
    """Hold what a worker applies where a job's own options are silent.

    Attributes:
        keep_completed: which completed jobs stay.
        keep_failed: which failed jobs stay.
        strategy: the delay of backoff types that oxmq does not know.
        max_started: how often a job may be started; None for any number.
    """

    keep_completed: Keep | None = None
    keep_failed: Keep | None = None
    strategy: BackoffStrategy | None = None
    max_started: int | None = None


def completed(record: JobRecord, token: str, value: bytes, rules: FinishRules) -> Outcome:
    """Return the outcome of a run that ended with `value`, as JSON."""
    outcome = Outcome(record.id, token, "completed", value)
    _set_keep(outcome, read_options(record.opts).remove_on_complete, rules.keep_completed)
    return outcome


def failed(
    record: JobRecord, token: str, error: BaseException, rules: FinishRules, *, stack: str | None = None
) -> Outcome:
    """Return the outcome of a run that ended with `error`: another attempt if one is left, else failed."""
    options = read_options(record.opts)
    outcome = Outcome(record.id, token, "failed", failure_reason(error), attempts=int(options.attempts))
    outcome.stacktrace = _with_trace(record.stacktrace, stack_of(error) if stack is None else stack, options)
    made = record.attempts_made + 1
    exhausted = rules.max_started is not None and record.attempts_started >= rules.max_started
    if made < options.attempts and not exhausted and not isinstance(error, Unrecoverable):
        delay = _delay_ms(options, made, error, rules.strategy)
        if delay >= 0:
            outcome.kind = "delay" if delay > 0 else "retry"
            outcome.delay_ms = delay
            outcome.next_up = options.lifo is True
            return outcome
    _set_keep(outcome, options.remove_on_fail, rules.keep_failed)
    return outcome


def released(record: JobRecord, token: str) -> Outcome:
    """Return the outcome of a run that was given up: back to the queue as the next job, at no cost."""
    return Outcome(record.id, token, "release", next_up=True)


def parked(record: JobRecord, token: str) -> Outcome:
    """Return the outcome of a run that asked to be run again when the job's children have ended, at no cost."""
    return Outcome(record.id, token, "park")


def postponed(record: JobRecord, token: str, delay_ms: int) -> Outcome:
    """Return the outcome of a run that asked to be run later, at no cost."""
    return Outcome(record.id, token, "postpone", delay_ms=delay_ms)


def kept_when_failed(record: JobRecord) -> int:
    """Return how many failed jobs the job's own options keep when it fails; -1 for all."""
    outcome = Outcome(record.id, "", "failed")
    _set_keep(outcome, read_options(record.opts).remove_on_fail, None)
    return outcome.keep_count


def failure_reason(error: BaseException) -> str:
    """Return what is recorded as the reason of a failure: the error's message, else its type."""
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - an error that cannot say what it is fails its job like any other
        message = ""
    return writable(message[:_MAX_REASON]) or type(error).__name__


def stack_of(error: BaseException) -> str:
    """Return an error's stack trace, without the values of variables."""
    return "".join(traceback.format_exception(error)).rstrip()


def writable(text: str) -> str:
    """Return `text` as the wire can carry it."""
    # Half of a surrogate pair, as file names can hold, is no character that the wire could carry.
    return text.encode(errors="backslashreplace").decode()


def _delay_ms(options: WireOptions, made: int, error: BaseException, strategy: BackoffStrategy | None) -> int:
    backoff = read_backoff(options)
    if backoff is None or backoff.type in ("fixed", "exponential"):
        return retry_delay_ms(backoff, made)
    return _custom_delay_ms(backoff, made, error, strategy)


def _custom_delay_ms(backoff: Backoff, made: int, error: BaseException, strategy: BackoffStrategy | None) -> int:
    if strategy is None:
        # Nobody here knows the delay that was meant; to run again at once could be a flood.
        return -1
    seconds = strategy(made, backoff.type, error)
    return -1 if seconds < 0 else milliseconds(seconds, "backoff strategy's delay")


def _with_trace(stored: bytes | None, stack: str, options: WireOptions) -> bytes:
    earlier: Any = decode_json_or(stored, [])
    added = [writable(stack[-_MAX_TRACE:])] if stack else []
    traces: list[Any] = [*(earlier if isinstance(earlier, list) else []), *added]
    limit = _MAX_TRACES if isinstance(options.stack_trace_limit, UnsetType) else int(options.stack_trace_limit)
    return encode_json(traces[-limit:] if limit else [], "stacktrace", None)


def _set_keep(outcome: Outcome, option: bool | float | WireKeep | UnsetType, default: Keep | None) -> None:
    keep: KeepOption = default if isinstance(option, UnsetType) else _keep(option)
    if isinstance(keep, Keep):
        outcome.keep_count = -1 if keep.count is None else keep.count
        outcome.keep_age = None if keep.age is None else milliseconds(keep.age, "age") / 1000
        outcome.keep_limit = keep.limit
    elif keep is not None:
        outcome.keep_count = int(keep)


def _keep(option: bool | float | WireKeep) -> KeepOption:
    if isinstance(option, WireKeep):
        return keep_of(option)
    if isinstance(option, bool):
        return 0 if option else None
    return int(option)
