"""Give each job of a heavy task a pod of its own; where there is no cluster, a process with the same limits.

python examples/heavy.py
"""

from __future__ import annotations

import asyncio
import os
import zlib

from oxmq import Kubernetes, Oxmq
from oxmq.sync import current_job

# Stay on this machine even where a kubeconfig is found. Leave it out, and a cluster that is found is used.
os.environ.setdefault("OXMQ_RUN_KUBERNETES", "process")

app = Oxmq()


@app.task(run=Kubernetes(image="registry.example/reports:1.4", cpu="1", memory="512Mi", timeout="10m"))
def yearly_report(year: int) -> dict[str, int]:
    """Run in the pod: the same code, from the same image as the worker."""
    checksum = 0
    for month in range(1, 13):
        rows = bytes(range(256)) * 50_000  # stands for more than a worker should have to hold
        checksum = zlib.crc32(rows, checksum)
        current_job().update_progress(month)
    return {"year": year, "checksum": checksum}


async def main() -> None:
    worker = app.worker()
    working = asyncio.create_task(worker.run(handle_signals=False))
    job = await yearly_report.enqueue(2025)
    print(await job.result(timeout=300))
    await job.refresh()
    print(f"month {job.progress} of 12 is done")
    await worker.close()
    await working


if __name__ == "__main__":
    asyncio.run(main())
