"""Turn what a caller asks to add into jobs in the wire's encoding, refusing what cannot be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, cast

from msgspec import UNSET, UnsetType

from oxmq.clock import Clock
from oxmq.codec import MAX_VALUE_BYTES, encode_json, wire_options
from oxmq.durations import milliseconds
from oxmq.errors import ConfigurationError
from oxmq.ids import uuid7
from oxmq.keys import check_job_name
from oxmq.ops.jobs import NewJob
from oxmq.options import NO_OPTIONS, JobOptions, job_options

IdKind = Literal["uuid", "counter"]
"""``"uuid"``: made by the client, so that an add can be repeated; ``"counter"``: BullMQ's whole numbers."""


class JobDrafter:
    """Draft the jobs of one queue.

    Args:
        clock: gives a job's time of creation.
        defaults: options under those of each job.
        ids: who makes the ids of jobs that bring none.
    """

    def __init__(self, clock: Clock, defaults: JobOptions | None, ids: IdKind) -> None:
        if ids not in ("uuid", "counter"):
            raise ConfigurationError(f'ids must be "uuid" or "counter", not {ids!r}')
        if defaults is not None and not isinstance(cast("object", defaults), JobOptions):
            raise ConfigurationError(f"default_job_options must be JobOptions, not {type(defaults).__name__}")
        self._clock = clock
        self._defaults = defaults or NO_OPTIONS
        self._make_id: Callable[[int], str] = uuid7 if ids == "uuid" else lambda _: ""

    def draft(self, name: str, data: object, given: Mapping[str, Any] | JobOptions) -> NewJob:
        """Return the job to add.

        Raises:
            ConfigurationError: the name, the data or an option is not acceptable; the message says which and why.
        """
        check_job_name(name)
        own = given if isinstance(given, JobOptions) else job_options(given)
        options = own.over(self._defaults) if own is not NO_OPTIONS else self._defaults
        limit = MAX_VALUE_BYTES if isinstance(options.size_limit, UnsetType) else options.size_limit
        encoded = encode_json({} if data is UNSET else data, f"data of job {name!r}", limit)
        now = self._clock.now_ms()
        if options is NO_OPTIONS:
            return NewJob(self._make_id(now), name, encoded, b'{"attempts":0}', now)
        return self._draft_with(options, name, encoded, now)

    def _draft_with(self, options: JobOptions, name: str, data: bytes, now: int) -> NewJob:
        wire = wire_options(options)
        return NewJob(
            id=self._make_id(now) if isinstance(options.job_id, UnsetType) else options.job_id,
            name=name,
            data=data,
            opts=encode_json(wire, "options"),
            timestamp=now if isinstance(wire.timestamp, UnsetType) else int(wire.timestamp),
            delay=0 if isinstance(options.delay, UnsetType) else milliseconds(options.delay, "delay"),
            priority=0 if isinstance(options.priority, UnsetType) else options.priority,
            next_up=options.lifo is True,
        )
