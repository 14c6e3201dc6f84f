"""Wait for a result, fork, and wait for it in both processes: ``OXMQ_URL=... forking_waiter <queue> <job id>``."""

from __future__ import annotations

import os
import sys
import threading

from oxmq.sync import Job, Queue


def main(queue_name: str, job_id: str) -> None:
    """Print what each process was told, and end well if the child did."""
    queue = Queue(queue_name)
    job = queue.get_job(job_id)
    assert job is not None
    waiting = threading.Thread(target=tell, args=("parent", job))
    waiting.start()
    # The line says that the parent waits; whoever started this sees it to the end.
    sys.stdin.readline()
    child = os.fork()
    if child == 0:
        tell("child", job)
        queue.close()
        return
    waiting.join()
    _, status = os.waitpid(child, 0)
    queue.close()
    sys.exit(1 if status else 0)


def tell(who: str, job: Job[object]) -> None:
    """Wait for the result and print it, in one write."""
    sys.stdout.write(f"{who} {job.result(timeout=20)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
