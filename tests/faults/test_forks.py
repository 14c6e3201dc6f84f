"""F22: a program forks after it has connected, as prefork servers do, or uses one queue in many threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from oxmq.sync import Queue
from tests.faults.forking_process import JOBS, PROCESSES
from tests.faults.stage import Stage
from tests.support.servers import RedisServer


@pytest.fixture
def queue(server: RedisServer) -> Iterator[Queue]:
    with Queue("threads", connection=server.url) as opened:
        yield opened


def test_every_process_has_connections_of_its_own(stage: Stage) -> None:
    forking = stage.start_app("forking_process")
    assert forking.wait(20) == 0, forking.tail()
    ids = {job.job_id for job in stage.keyspace.jobs()}
    assert ids == {f"{process}-{job}" for process in range(PROCESSES) for job in range(JOBS)} | {"before"}
    assert stage.keyspace.contradictions() == []
    forking.assert_careful()


def test_threads_share_a_queue(queue: Queue) -> None:
    wrong: list[object] = []

    def work(number: int) -> None:
        for round_ in range(50):
            job_id = f"{number}-{round_}"
            queue.add("work", {"id": job_id}, job_id=job_id)
            job = queue.get_job(job_id)
            if job is None or job.data != {"id": job_id}:
                wrong.append((job_id, job))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert queue.get_job_counts("waiting") == {"waiting": 400}
