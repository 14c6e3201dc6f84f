"""Connect, fork, and go on in every process at once: ``OXMQ_URL=... forking_process <history>``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from oxmq.sync import Queue
from tests.support.history import Writer

#: How many processes there are in the end, the first included.
PROCESSES = 4
#: How many jobs each of them adds.
JOBS = 100


def work(queue: Queue, number: int) -> None:
    """Add jobs and read each back; raise when an answer is not the one that was asked for."""
    for job in range(JOBS):
        job_id = f"{number}-{job}"
        added = queue.add("work", {"id": job_id, "key": job_id}, job_id=job_id)
        found = queue.get_job(job_id)
        if added.id != job_id or found is None or found.data["id"] != job_id:
            raise RuntimeError(f"asked for {job_id} and was given {found}")


def main(history_path: str) -> None:
    """Fork, work in every process, and end well if each of them did."""
    queue = Queue(os.environ["TEST_QUEUE"])
    queue.add("work", {"key": "before"}, job_id="before")
    Writer(Path(history_path)).write("ready")
    children: list[int] = []
    for number in range(1, PROCESSES):
        child = os.fork()
        if child == 0:
            work(queue, number)
            queue.close()
            return
        children.append(child)
    work(queue, 0)
    queue.close()
    codes = [os.waitpid(child, 0)[1] for child in children]
    sys.exit(1 if any(codes) else 0)


if __name__ == "__main__":
    main(sys.argv[1])
