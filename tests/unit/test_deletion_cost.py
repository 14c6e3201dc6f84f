"""Busy worker pods are dearer to delete than idle ones, and whatever the cluster says harms no worker."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

import pytest

from oxmq.kubernetes.deletion_cost import ANNOTATION, DeletionCost, deletion_cost
from tests.support.waiting import eventually


class Cluster:
    """Note what is annotated, and refuse when told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, str]] = []
        self.calls = 0
        self.refuses = False

    async def annotate_pod(self, namespace: str, name: str, annotations: Mapping[str, str]) -> None:
        self.calls += 1
        if self.refuses:
            raise OSError("no way to the cluster")
        self.told.append((namespace, name, annotations[ANNOTATION]))


class Worker:
    """Run so many jobs."""

    def __init__(self) -> None:
        self.running = 0
        self.looks = 0

    def busy(self) -> int:
        self.looks += 1
        return self.running


@asynccontextmanager
async def kept(cluster: Cluster, worker: Worker) -> AsyncGenerator[None]:
    cost = DeletionCost(cluster, "shop", "worker-1", worker.busy, interval=0.001)
    cost.start()
    yield
    await cost.stop()


@pytest.mark.parametrize(("busy", "cost"), [(0, 0), (1, 1), (2, 2), (3, 2), (4, 3), (1000, 10), (-1, 0)])
def test_a_pod_with_more_jobs_is_never_cheaper(busy: int, cost: int) -> None:
    assert deletion_cost(busy) == cost
    assert deletion_cost(busy) <= deletion_cost(busy + 1)


async def test_the_pod_is_annotated_when_its_cost_changes_and_only_then() -> None:
    cluster, worker = Cluster(), Worker()
    async with kept(cluster, worker):
        await eventually(lambda: cluster.told)
        worker.running = 5
        await eventually(lambda: len(cluster.told) == 2)
        looks, worker.running = worker.looks, 7
        await eventually(lambda: worker.looks > looks + 3)
        worker.running = 0
        await eventually(lambda: len(cluster.told) == 3)
    assert cluster.told == [("shop", "worker-1", "0"), ("shop", "worker-1", "3"), ("shop", "worker-1", "0")]


async def test_a_cluster_that_refuses_is_told_of_once_and_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    cluster, worker = Cluster(), Worker()
    cluster.refuses = True
    with caplog.at_level(logging.WARNING, "oxmq.worker"):
        async with kept(cluster, worker):
            await eventually(lambda: cluster.calls > 3)
            cluster.refuses = False
            await eventually(lambda: cluster.told)
    assert [record.getMessage() for record in caplog.records] == [
        "pod worker-1 cannot be annotated, so that a scale-in may take it: no way to the cluster"
    ]


async def test_a_stop_does_not_wait_for_the_cluster() -> None:
    entered = asyncio.Event()

    class Slow(Cluster):
        async def annotate_pod(self, namespace: str, name: str, annotations: Mapping[str, str]) -> None:
            entered.set()
            await asyncio.Event().wait()

    async with kept(Slow(), Worker()):
        await entered.wait()
