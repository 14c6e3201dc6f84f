"""Hold the options that users pass, checked when they are built.

A field that was not given is `UNSET`, so that options can be laid over one another: a queue's defaults, a task's, a
call's. `None` is a value: for what is kept, it means without bound.
"""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol, TypedDict, cast

from msgspec import UNSET, Struct, UnsetType, structs

from oxmq.durations import Duration, milliseconds, positive_milliseconds
from oxmq.errors import ConfigurationError
from oxmq.keys import check_job_id

#: The largest priority whose score keeps its insertion counter: 2**21 - 1 (see the wire format's scores).
MAX_PRIORITY = 2_097_151


class Backoff(Struct, frozen=True):
    """Say how long to wait between attempts. Build it with `fixed` or `exponential`.

    Attributes:
        type: ``"fixed"``, ``"exponential"``, or the name of a strategy that the worker supplies.
        delay_ms: the first delay, in milliseconds.
        jitter: the share of the delay that is drawn at random, from 0 to 1.
    """

    type: str
    delay_ms: int = 0
    jitter: float = 0.0


def fixed(delay: Duration, *, jitter: float = 0.0) -> Backoff:
    """Wait the same `delay` before every further attempt."""
    return Backoff("fixed", milliseconds(delay, "backoff delay"), _share(jitter))


def exponential(delay: Duration, *, jitter: float = 0.0) -> Backoff:
    """Wait `delay` before the second attempt and twice as long before each further one."""
    return Backoff("exponential", milliseconds(delay, "backoff delay"), _share(jitter))


class Keep(Struct, frozen=True, kw_only=True):
    """Say which finished jobs stay in Redis.

    Attributes:
        count: at most this many of the newest; None for any number.
        age: at most this long after they finished; None for ever.
        limit: how many of the too old ones one finish may remove (1,000 when None).
    """

    count: int | None = None
    age: Duration | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        for field, value in (("count", self.count), ("limit", self.limit)):
            if value is not None:
                check_whole(value, f"Keep.{field}", least=0)
        if self.age is not None:
            milliseconds(self.age, "Keep.age")


class RateLimit(Struct, frozen=True, kw_only=True):
    """Allow at most `max` job starts in each window of `duration`."""

    max: int
    duration: Duration

    def __post_init__(self) -> None:
        check_whole(self.max, "RateLimit.max", least=1)
        positive_milliseconds(self.duration, "RateLimit.duration")


KeepOption = bool | int | Keep | None
"""True removes at once, False or None keeps all, a number keeps so many, `Keep` says it in full."""


class Deduplication(Struct, frozen=True):
    """Let only one job of `id` be in the queue; another that is added is dropped, and the first one's id returned.

    Attributes:
        id: what the jobs have in common.
        ttl: for how long a job keeps others out, whatever becomes of it; None: until it has ended.
        extend: start `ttl` anew with each job that is kept out.
        replace: while the first one is still delayed, the newest takes its place instead.
        keep_last_if_active: while the first one runs, remember the newest and add it when the first has ended.
        reschedule: while the first one is still delayed, give it the newest one's delay.
    """

    id: str
    ttl: Duration | None = None
    extend: bool = False
    replace: bool = False
    keep_last_if_active: bool = False
    reschedule: bool = False

    def __post_init__(self) -> None:
        check_deduplication_id(self.id)
        if self.ttl is not None:
            positive_milliseconds(self.ttl, "deduplication ttl")
        for field in ("extend", "replace", "keep_last_if_active", "reschedule"):
            _check_flag(getattr(self, field), f"deduplication {field}")


class Parent(Struct, frozen=True):
    """Name the parent of a job.

    Attributes:
        id: the parent's id.
        queue: its queue, with the prefix: ``"bull:reports"``.
    """

    id: str
    queue: str

    @property
    def reference(self) -> Parent:
        return self


class Referable(Protocol):
    """Be something that children can name as their parent: a `Job`, or a `Parent`."""

    @property
    def reference(self) -> Parent:
        """Return how children name it."""
        ...


class Telemetry(Struct, frozen=True):
    """Carry tracing context from the producer to the worker.

    Attributes:
        metadata: the propagated context, as the tracing library writes it.
        omit_context: keep the producer's context off this job.
    """

    metadata: str | None = None
    omit_context: bool = False


class JobOptions(Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """Hold the options of a job.

    Attributes:
        job_id: the job's id; adding an id that exists adds nothing. Made by the client when not given.
        delay: how long to wait before the job may start.
        priority: 1 (first) to 2,097,151; 0, the default, comes before them all.
        lifo: run before the jobs that are waiting rather than after them.
        attempts: how often the job may be tried in all (0 and 1 both mean once).
        backoff: how long to wait between attempts: a `Backoff`, or a fixed delay.
        timeout: how long one attempt may run before it is stopped and fails.
        remove_on_complete: what stays of the queue's completed jobs when this one completes.
        remove_on_fail: the same for failed ones.
        keep_logs: how many of the newest log lines to keep.
        stack_trace_limit: how many of the newest stack traces to keep.
        size_limit: the most bytes that the data may take as JSON.
        timestamp: when the job counts as created; now when not given.
        deduplication: keeps other jobs of the same id out: a `Deduplication`, or its id alone.
        parent: the job that waits for this one: a `Job` or a `Parent`.
        fail_parent_on_failure: when this job fails for good, its parent fails. So it is for a child of which nothing
            else is said, so that every parent ends; False lets the parent wait until somebody retries or removes the
            child, as BullMQ does where nothing is said.
        continue_parent_on_failure: when this job fails for good, its parent runs at once.
        ignore_dependency_on_failure: when this job fails for good, its parent does not wait for it any more and can
            read the reason.
        remove_dependency_on_failure: the same without the reason.
        expires: when the job has not been started so long after it was due, it fails instead of being started.
        telemetry: tracing context for the worker.
    """

    job_id: str | UnsetType = UNSET
    delay: Duration | UnsetType = UNSET
    priority: int | UnsetType = UNSET
    lifo: bool | UnsetType = UNSET
    attempts: int | UnsetType = UNSET
    backoff: Backoff | Duration | UnsetType = UNSET
    timeout: Duration | UnsetType = UNSET
    remove_on_complete: KeepOption | UnsetType = UNSET
    remove_on_fail: KeepOption | UnsetType = UNSET
    keep_logs: int | UnsetType = UNSET
    stack_trace_limit: int | UnsetType = UNSET
    size_limit: int | UnsetType = UNSET
    timestamp: datetime | UnsetType = UNSET
    deduplication: str | Deduplication | UnsetType = UNSET
    parent: Referable | UnsetType = UNSET
    fail_parent_on_failure: bool | UnsetType = UNSET
    continue_parent_on_failure: bool | UnsetType = UNSET
    ignore_dependency_on_failure: bool | UnsetType = UNSET
    remove_dependency_on_failure: bool | UnsetType = UNSET
    expires: Duration | UnsetType = UNSET
    telemetry: Telemetry | UnsetType = UNSET

    def __post_init__(self) -> None:
        for field in self.__struct_fields__:
            value = getattr(self, field)
            if value is not UNSET:
                _CHECKS[field](value, field)
        chosen = [policy for policy in FAILURE_POLICIES if getattr(self, policy) is True]
        if len(chosen) > 1:
            raise ConfigurationError(f"only one of {', '.join(chosen)} can be True")

    def over(self, defaults: JobOptions) -> JobOptions:
        """Return these options laid over `defaults`: what is given here wins."""
        if defaults is NO_OPTIONS:
            return self
        # Of the failure policies at most one holds, so that one that is given here takes the place of any other.
        under = defaults.given()
        if any(getattr(self, policy) is True for policy in FAILURE_POLICIES):
            under = {name: value for name, value in under.items() if name not in FAILURE_POLICIES}
        return JobOptions(**{**under, **self.given()})

    def given(self) -> dict[str, Any]:
        """Return the options that were given, by name."""
        return {name: value for name, value in structs.asdict(self).items() if value is not UNSET}


class JobOptionArgs(TypedDict, total=False):
    """Name the keyword arguments that stand for a `JobOptions`."""

    job_id: str
    delay: Duration
    priority: int
    lifo: bool
    attempts: int
    backoff: Backoff | Duration
    timeout: Duration
    remove_on_complete: KeepOption
    remove_on_fail: KeepOption
    keep_logs: int
    stack_trace_limit: int
    size_limit: int
    timestamp: datetime
    deduplication: str | Deduplication
    parent: Referable
    fail_parent_on_failure: bool
    continue_parent_on_failure: bool
    ignore_dependency_on_failure: bool
    remove_dependency_on_failure: bool
    expires: Duration
    telemetry: Telemetry


def job_options(given: Mapping[str, Any]) -> JobOptions:
    """Build `JobOptions` from keyword arguments; an unknown name is a `ConfigurationError`."""
    if not isinstance(cast("object", given), Mapping):
        raise ConfigurationError(f"options must be a mapping from names to values, not {given!r:.80}")
    try:
        return JobOptions(**given) if given else NO_OPTIONS
    except TypeError:
        unknown = next(name for name in given if name not in JobOptions.__struct_fields__)
        near = difflib.get_close_matches(str(unknown), JobOptions.__struct_fields__, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigurationError(f"unknown job option {unknown!r}{hint}") from None


def acceptable_options(**stored: object) -> JobOptions:
    """Build `JobOptions` of what another library may have stored, leaving out what breaks the rules here."""
    given: dict[str, Any] = {}
    for field, value in stored.items():
        with contextlib.suppress(ConfigurationError):
            if value is not UNSET:
                _CHECKS[field](value, field)
                given[field] = value
    # Where several are stored, the first decides what becomes of the parent.
    for policy in [policy for policy in FAILURE_POLICIES if given.get(policy) is True][1:]:
        del given[policy]
    return JobOptions(**given)


def check_whole(value: object, field: str, *, least: int, most: int = 2**53 - 1) -> int:
    """Return `value`, or raise `ConfigurationError` when it is not a whole number from `least` to `most`."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ConfigurationError(f"{field} must be a whole number from {least} to {most}, not {value!r}")
    return value


def _share(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ConfigurationError(f"jitter must be between 0 and 1, not {value!r}")
    return float(value)


def _check_count(value: object, field: str) -> None:
    check_whole(value, field, least=0)


def _check_priority(value: object, field: str) -> None:
    check_whole(value, field, least=0, most=MAX_PRIORITY)


def _check_flag(value: object, field: str) -> None:
    if not isinstance(value, bool):
        raise ConfigurationError(f"{field} must be True or False, not {value!r}")


def _check_backoff(value: object, field: str) -> None:
    if not isinstance(value, Backoff):
        milliseconds(value, field)
        return
    _share(value.jitter)
    check_whole(value.delay_ms, f"{field} delay", least=0)


def _check_keep(value: object, field: str) -> None:
    if not (value is None or isinstance(value, bool | Keep)):
        check_whole(value, field, least=0)


def _check_timestamp(value: object, field: str) -> None:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ConfigurationError(f"{field} must be a datetime with a time zone, not {value!r}")


def _check_deduplication(value: object, field: str) -> None:
    if not isinstance(value, Deduplication):
        check_deduplication_id(value, field)


def check_deduplication_id(value: object, field: str = "deduplication id") -> str:
    """Return the deduplication id `value`, or raise `ConfigurationError`."""
    if not isinstance(value, str) or not 0 < len(value) <= 1024 or not value.isprintable():
        raise ConfigurationError(f"{field} must be a printable text of 1 to 1024 characters, not {value!r:.80}")
    return value


def _check_parent(value: object, field: str) -> None:
    parent = getattr(value, "reference", None)
    if not isinstance(parent, Parent):
        raise ConfigurationError(f"{field} must be a Job or a Parent, not {value!r:.80}")
    if not isinstance(cast("object", parent.id), str) or not parent.id:
        raise ConfigurationError(f"{field} id must be a non-empty string, not {parent.id!r:.80}")
    if not isinstance(cast("object", parent.queue), str) or parent.queue.count(":") < 1:
        raise ConfigurationError(
            f'{field} queue must be a name with its prefix, as "bull:name", not {parent.queue!r:.80}'
        )


def _check_telemetry(value: object, field: str) -> None:
    if not isinstance(value, Telemetry):
        raise ConfigurationError(f"{field} must be a Telemetry, not {value!r:.80}")
    if not isinstance(cast("object", value.metadata), str | None):
        raise ConfigurationError(f"{field} metadata must be a string, not {value.metadata!r:.80}")
    _check_flag(value.omit_context, f"{field} omit_context")


FAILURE_POLICIES = (
    "fail_parent_on_failure",
    "continue_parent_on_failure",
    "ignore_dependency_on_failure",
    "remove_dependency_on_failure",
)
"""What a child's failure may do to its parent: the options, of which at most one can be True."""

_CHECKS: dict[str, Callable[[object, str], object]] = {
    "job_id": check_job_id,
    "delay": milliseconds,
    "priority": _check_priority,
    "lifo": _check_flag,
    "attempts": _check_count,
    "backoff": _check_backoff,
    "timeout": positive_milliseconds,
    "remove_on_complete": _check_keep,
    "remove_on_fail": _check_keep,
    "keep_logs": _check_count,
    "stack_trace_limit": _check_count,
    "size_limit": _check_count,
    "timestamp": _check_timestamp,
    "deduplication": _check_deduplication,
    "parent": _check_parent,
    **dict.fromkeys(FAILURE_POLICIES, _check_flag),
    "expires": positive_milliseconds,
    "telemetry": _check_telemetry,
}

NO_OPTIONS = JobOptions()
"""The options of somebody who gave none."""
