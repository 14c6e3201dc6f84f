"""Turn what a caller asks to add into jobs in the wire's encoding, refusing what cannot be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, cast

from msgspec import UNSET, UnsetType, structs

from oxmq.clock import Clock
from oxmq.codec import MAX_VALUE_BYTES, WireOptions, encode_json, wire_options
from oxmq.durations import milliseconds
from oxmq.errors import ConfigurationError
from oxmq.ids import uuid7
from oxmq.keys import check_job_name
from oxmq.ops.jobs import NewJob
from oxmq.options import FAILURE_POLICIES, NO_OPTIONS, JobOptions, Parent, job_options

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
        self.clock = clock
        self.defaults = defaults or NO_OPTIONS
        self._make_id: Callable[[int], str] = uuid7 if ids == "uuid" else lambda _: ""

    def draft(
        self,
        name: str,
        data: object,
        given: Mapping[str, Any] | JobOptions,
        *,
        parent: Parent | None = None,
        has_children: bool = False,
    ) -> NewJob:
        """Return the job to add.

        Args:
            name: the job's name.
            data: its payload.
            given: its options.
            parent: its parent, where that is not among the options.
            has_children: whether it waits for children that are added with it.

        Raises:
            ConfigurationError: the name, the data or an option is not acceptable; the message says which and why.
        """
        check_job_name(name)
        own = given if isinstance(given, JobOptions) else job_options(given)
        options = own.over(self.defaults) if own is not NO_OPTIONS else self.defaults
        limit = MAX_VALUE_BYTES if isinstance(options.size_limit, UnsetType) else options.size_limit
        encoded = encode_json({} if data is UNSET else data, f"data of job {name!r}", limit)
        now = self.clock.now_ms()
        if parent is not None:
            if not isinstance(own.parent, UnsetType):
                raise ConfigurationError("parent cannot be given for a child of the flow: the flow says whose it is")
            options = structs.replace(options, parent=parent)
        if options is NO_OPTIONS and not has_children:
            return NewJob(self._make_id(now), name, encoded, b'{"attempts":0}', now)
        return self._draft_with(options, name, encoded, now, has_children)

    def _draft_with(self, options: JobOptions, name: str, data: bytes, now: int, has_children: bool) -> NewJob:
        options = _with_policy(options)
        wire = wire_options(options)
        parent = None if isinstance(wire.parent, UnsetType) else wire.parent
        deduplication = None if isinstance(wire.de, UnsetType) else wire.de
        if parent and deduplication:
            raise ConfigurationError("deduplication and parent cannot be used together")
        if has_children and deduplication:
            raise ConfigurationError("deduplication cannot be used for a job with children")
        return NewJob(
            id=self._make_id(now) if isinstance(options.job_id, UnsetType) else options.job_id,
            name=name,
            data=data,
            opts=encode_json(wire, "options"),
            timestamp=now if isinstance(wire.timestamp, UnsetType) else int(wire.timestamp),
            delay=0 if isinstance(options.delay, UnsetType) else milliseconds(options.delay, "delay"),
            priority=0 if isinstance(options.priority, UnsetType) else options.priority,
            next_up=options.lifo is True,
            relations=_encode_relations(wire, has_children) if parent or deduplication or has_children else b"",
            parent_key=f"{parent.queue}:{parent.id}" if parent else None,
            deduplication_id=deduplication.id if deduplication else None,
            traceable=wire.tm is UNSET and wire.omc is UNSET,
        )


def _with_policy(options: JobOptions) -> JobOptions:
    """Return the options of a child with what its failure does to its parent, so that every parent ends."""
    if isinstance(options.parent, UnsetType):
        return options
    if any(getattr(options, policy) is True for policy in FAILURE_POLICIES):
        return options
    if options.fail_parent_on_failure is False:
        return options
    return structs.replace(options, fail_parent_on_failure=True)


def _encode_relations(wire: WireOptions, children: bool) -> bytes:
    """Return what the scripts that add jobs need to know of a job's relations."""
    relations: dict[str, object] = {"children": True} if children else {}
    if not isinstance(wire.parent, UnsetType):
        record: dict[str, object] = {"id": wire.parent.id, "queueKey": wire.parent.queue}
        flags = {
            "fpof": wire.fail_parent_on_failure,
            "cpof": wire.continue_parent_on_failure,
            "idof": wire.ignore_dependency_on_failure,
            "rdof": wire.remove_dependency_on_failure,
        }
        record |= {flag: True for flag, given in flags.items() if given is True}
        relations["parentKey"] = f"{wire.parent.queue}:{wire.parent.id}"
        relations["parent"] = encode_json(record, "parent").decode()
    if not isinstance(wire.de, UnsetType):
        relations["de"] = wire.de
    return encode_json(relations, "relations")
