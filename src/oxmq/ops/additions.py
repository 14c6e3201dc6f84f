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

    Attributes:
        jobs: the jobs to add, which carry the context.
    """

    def __init__(self, addition: Addition, jobs: Sequence[NewJob]) -> None:
        self._addition = addition
        self._ids: Sequence[str] = ()
        last, head = "", b""
        self.jobs: list[NewJob] = []
        for index, job in enumerate(jobs):
            metadata = addition.metadata(index)
            if metadata and job.traceable:
                if metadata is not last:
                    last, head = metadata, b',"tm":%b}' % msgspec.json.encode(metadata)
                job = structs.replace(job, opts=job.opts[:-1] + head)  # noqa: PLW2901 - the same job, with its context
            self.jobs.append(job)

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


def follow(telemetry: Telemetry, queue: str, jobs: Sequence[NewJob]) -> Following:
    """Follow the add of jobs to one queue."""
    return Following(telemetry.adding(queue, [job.name for job in jobs]), jobs)


def follow_flow(telemetry: Telemetry, flow: Sequence[Drafted[T]]) -> tuple[Following, list[Drafted[T]]]:
    """Follow the add of a flow; return it with the context that its jobs carry, too."""
    nodes = [(drafted.keys.name, drafted.job.name) for drafted in flow]
    addition = telemetry.adding_flow(nodes, [drafted.children for drafted in flow])
    following = Following(addition, [drafted.job for drafted in flow])
    return following, [
        Drafted(drafted.source, drafted.keys, job, drafted.children)
        for drafted, job in zip(flow, following.jobs, strict=True)
    ]
