"""`python -m bench.kubernetes`: what it costs one worker to run many jobs in pods at once.

A fresh Redis, a worker in a process of its own, and a cluster that is none: its pods run as soon as they are asked
for, for half a minute, and then end as fast as the cluster can tell. So what is measured is what oxmq does about them.
Prints one table.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Final

import msgspec
from msgspec import Struct

from bench.kubernetes_worker import Report
from bench.server import LOOK, fresh_server
from bench.table import markdown
from oxmq import Queue
from tests.kubernetes.fake_cluster import FakeCluster
from tests.kubernetes.working_pods import WorkingPods

JOBS: Final = 500
TASKS: Final = "tests.kubernetes.heavy_tasks:app"
QUEUE: Final = "heavy"
NAMESPACE: Final = "default"
#: For how long all pods run at once, in seconds.
HELD: Final = 30.0
#: How long anything may take, in seconds.
PATIENCE: Final = 300.0


class Bench(Struct, frozen=True):
    """Hold what is measured: the worker's process, the cluster, its pods and the queue."""

    worker: asyncio.subprocess.Process
    fake: FakeCluster
    pods: WorkingPods
    queue: Queue

    def memory(self) -> float:
        """Return the resident memory of the worker, in KiB (Linux only, else 0)."""
        status = Path(f"/proc/{self.worker.pid}/status")
        found = re.search(r"VmRSS:\s+(\d+)", status.read_text()) if status.exists() else None
        return float(found[1]) if found else 0.0

    async def until(self, is_so: Callable[[], bool]) -> float:
        """Return when something is so, in seconds since the epoch."""
        deadline = time.monotonic() + PATIENCE
        while not is_so():
            if self.worker.returncode is not None or time.monotonic() > deadline:
                raise SystemExit("the worker does not do what it should")
            await asyncio.sleep(LOOK)  # between two looks at what others are doing
        return time.time()

    async def until_completed(self, jobs: int) -> None:
        """Return when so many jobs have completed."""
        while await self.queue.get_job_count_by_types("completed") < jobs:
            await self.until(lambda: True)
            await asyncio.sleep(LOOK)  # likewise


class Taken(Struct):
    """Hold what was measured: times in seconds, memory in KiB."""

    spawned: float
    idle: float
    held: float
    after: float
    delays: list[float]
    requests: dict[str, int]
    worker: Report


async def measure(jobs: int, held: float) -> Taken:
    """Run so many jobs at once."""
    async with set_up() as bench:
        await bench.until(lambda: bench.fake.watches == 0 and bool(bench.fake.requests))
        idle = bench.memory()
        await bench.queue.add_bulk([("add_up", {"numbers": [number]}) for number in range(jobs)])
        begin = time.time()
        spawned = await bench.until(lambda: len(bench.pods.running) == jobs) - begin
        await asyncio.sleep(held)  # all pods run
        memory = bench.memory()
        bench.pods.release()
        await bench.until_completed(jobs)
        completed = await bench.queue.get_jobs("completed", 0, -1)
        done = {job.id: job.finished_on.timestamp() for job in completed if job.finished_on}
        bench.worker.terminate()
        after = bench.memory()
        printed, _ = await bench.worker.communicate()
        return Taken(
            worker=msgspec.json.decode(printed, type=Report),
            spawned=spawned,
            idle=idle,
            held=memory,
            after=after,
            delays=sorted(done[job_id] - ended for job_id, ended in bench.pods.ended.items()),
            requests=Counter(f"{request.verb} {request.resource}" for request in bench.fake.requests),
        )


@asynccontextmanager
async def set_up() -> AsyncGenerator[Bench]:
    """Start everything; the worker is there when its reconciler has looked at the cluster."""
    with fresh_server() as server, tempfile.TemporaryDirectory(prefix="oxmq-bench-") as folder:
        async with (
            FakeCluster() as fake,
            WorkingPods(fake, NAMESPACE, server.url) as pods,
            Queue(QUEUE, server.url) as queue,
        ):
            config = fake.kubeconfig(Path(folder) / "kubeconfig", namespace=NAMESPACE)
            environment = {"OXMQ_URL": server.url, "KUBECONFIG": str(config)}
            worker = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bench.kubernetes_worker", TASKS,
                stdout=asyncio.subprocess.PIPE, env={**os.environ, **environment},
            )  # fmt: skip
            try:
                yield Bench(worker, fake, pods, queue)
            finally:
                if worker.returncode is None:
                    worker.kill()
                    await worker.wait()


def rows(taken: Taken, jobs: int, held: float) -> Iterator[tuple[str, str, str]]:
    """Yield the lines of the table: what was measured, what came out, and more about it."""
    yield "spawn", f"{jobs / taken.spawned:,.0f} jobs/s", f"{jobs} Jobs made in {taken.spawned:.2f} s"
    part = {share: taken.delays[int(share * (len(taken.delays) - 1))] * 1e3 for share in (0.99, 1.0)}
    notes = f"p99 {part[0.99]:.0f} ms, longest {part[1.0]:.0f} ms; {jobs} pods end at once"
    yield "from the Job's end to the job's", f"{median(taken.delays) * 1e3:.0f} ms", notes
    yield "requests to the API server", each(taken.requests, jobs), told(taken.requests)
    yield "calls to Redis by the worker", each(taken.worker.calls, jobs), told(taken.worker.calls)
    before, after = taken.idle / 1024, taken.after / 1024
    notes = f"worker: {before:.0f} MiB idle, {taken.held / 1024:.0f} with {jobs} jobs, {after:.0f} after them"
    yield "memory", f"{(taken.held - taken.idle) / jobs:.1f} KiB/job", notes
    late, longest = taken.worker.lag_p99 * 1e3, taken.worker.lag_max * 1e3
    yield "the loop is late, p99", f"{late:.1f} ms", f"longest {longest:.0f} ms"
    notes = f"{taken.worker.cpu:.1f} s in all; every pod runs for {held:g} s"
    yield "processor time of the worker", f"{taken.worker.cpu / jobs * 1e3:.1f} ms/job", notes


def each(counts: dict[str, int], jobs: int) -> str:
    """Return how many there are for a job."""
    return f"{sum(counts.values()) / jobs:.2f} a job"


def told(counts: dict[str, int]) -> str:
    """Return the counts, the greatest first."""
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items(), key=lambda item: -item[1]))


def main() -> int:
    """Measure and print the table."""
    made = argparse.ArgumentParser(prog="python -m bench.kubernetes", description=__doc__)
    made.add_argument("--jobs", type=int, default=JOBS, help="how many jobs at once")
    made.add_argument("--held", type=float, default=HELD, metavar="SECONDS", help="for how long their pods run")
    arguments = made.parse_args()
    taken = asyncio.run(measure(arguments.jobs, arguments.held))
    print(markdown(["", "measured", "notes"], [list(row) for row in rows(taken, arguments.jobs, arguments.held)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
