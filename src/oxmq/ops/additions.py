"""Let a tracing library follow calls that add jobs, and have the jobs carry its context."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self, TypeVar

import msgspec
from msgspec import structs

from oxmq.ops.flows import Drafted
from oxmq.ops.jobs import NewJob
from oxmq.tracing import Addition, Telemetry

T = TypeVar("T")


class Following:
    """Tell a tracing library how a call ends that is made in its ``with`` block.

    Args:
        addition: what is told.
        jobs: the jobs that are about to be added; they are given the context to carry.
    """

    def __init__(self, addition: Addition, jobs: Sequence[NewJob]) -> None:
        self._addition = addition
        self._ids: Sequence[str] = ()
        self.jobs = jobs
        last, tail = "", b""
        for index, job in enumerate(jobs):
            metadata = addition.metadata(index)
            if metadata is not last:
                last, tail = metadata, _tail(metadata)
            _carry(job, tail)

    def added(self, job_ids: Sequence[str]) -> None:
        """Note the ids of the jobs that were added."""
        self._ids = job_ids

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._addition.added(self._ids)
        else:
            self._addition.failed(error)


def begin(telemetry: Telemetry, queue: str, job: NewJob) -> Addition:
    """Begin to follow the add of one job, which is given the context to carry: `follow` for those in a hurry."""
    addition = telemetry.adding(queue, (job.name,))
    _carry(job, _tail(addition.metadata(0)))
    return addition


def follow(telemetry: Telemetry, queue: str, jobs: Sequence[NewJob]) -> Following:
    """Follow the add of jobs to one queue; they are given the context to carry."""
    return Following(telemetry.adding(queue, [job.name for job in jobs]), jobs)


def follow_flow(telemetry: Telemetry, flow: list[Drafted[T]]) -> tuple[Following, list[Drafted[T]]]:
    """Follow the add of a flow; its jobs are given the context to carry."""
    nodes = [(drafted.keys.name, drafted.job.name) for drafted in flow]
    addition = telemetry.adding_flow(nodes, [drafted.children for drafted in flow])
    return Following(addition, [drafted.job for drafted in flow]), flow


def _tail(metadata: str) -> bytes:
    return b',"tm":%b}' % msgspec.json.encode(metadata) if metadata else b""


def _carry(job: NewJob, tail: bytes) -> None:
    if tail and job.traceable:
        # In its place: to make another job for this takes longer than all the rest, and nobody has seen this one yet.
        structs.force_setattr(job, "opts", job.opts[:-1] + tail)
        structs.force_setattr(job, "traceable", False)
