"""The metrics of OpenTelemetry: what is counted, how it is told apart, and that it arrives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from oxmq import Job, Unrecoverable
from oxmq.telemetry.counts import Share
from oxmq.telemetry.measures import DURATIONS, OTHER, TaskLabels
from tests.integration.bed import Bed, reaches
from tests.support.waiting import eventually
from tests.telemetry.collector import Collector
from tests.telemetry.recording import Recorder, sending_to

PATIENCE = 30.0


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    made = Recorder()
    yield made
    made.close()


async def handle(job: Job[Any]) -> None:
    if job.name == "fails":
        raise Unrecoverable("no")
    if job.name == "is retried" and not job.attempts_made:
        raise ValueError("not yet")


def by_task(series: dict[frozenset[tuple[str, Any]], Any], queue: str = "q") -> dict[str, Any]:
    told = {dict(attributes)["task"]: point for attributes, point in series.items()}
    assert all(dict(attributes)["queue"] == queue for attributes in series)
    return told


async def test_jobs_are_counted_by_queue_and_task(bed: Bed, recorder: Recorder) -> None:
    queue = bed.queue(telemetry=recorder.telemetry)
    await queue.add("passes")
    await queue.add_bulk([("passes", 1), ("fails", 2), ("is retried", 3, {"attempts": 2})])
    await queue.add("passes", delay=0.05)
    bed.working(handle, telemetry=recorder.telemetry)

    def completed() -> int:
        return sum(point.value for point in recorder.metrics().get("oxmq.jobs.completed", {}).values())

    await eventually(lambda: completed() == 4, PATIENCE)
    found = recorder.metrics()
    counted = {
        name: {task: point.value for task, point in by_task(found[f"oxmq.jobs.{name}"]).items()}
        for name in ("added", "completed", "failed", "retried")
    }
    assert counted == {
        "added": {"passes": 3, "fails": 1, "is retried": 1},
        "completed": {"passes": 3, "is retried": 1},
        "failed": {"fails": 1},
        "retried": {"is retried": 1},
    }
    durations, waits = by_task(found["oxmq.job.duration"]), by_task(found["oxmq.job.wait"])
    assert {task: point.count for task, point in durations.items()} == {"passes": 3, "fails": 1, "is retried": 2}
    # Since when a job waited that had been started before is not known.
    assert {task: point.count for task, point in waits.items()} == {"passes": 3, "fails": 1, "is retried": 1}
    assert durations["passes"].explicit_bounds == DURATIONS
    assert all(0 <= point.sum < PATIENCE for point in (*durations.values(), *waits.values()))


async def test_a_workers_figures_are_told_while_it_works(bed: Bed, recorder: Recorder) -> None:
    queue = bed.queue()
    for _ in range(3):
        await queue.add("waits", delay=3600)
    worker = bed.working(handle, telemetry=recorder.telemetry, concurrency=7)

    def told(metric: str, **attributes: str) -> Any:
        point = recorder.metrics().get(metric, {}).get(frozenset({"queue": "q", **attributes}.items()))
        return None if point is None else point.value

    await eventually(lambda: told("oxmq.queue.jobs", state="delayed") == 3, PATIENCE)
    assert (told("oxmq.worker.slots"), told("oxmq.worker.active"), told("oxmq.queue.latency")) == (7, 0, 0)
    assert told("oxmq.worker.loop_lag") >= 0
    await worker.close()
    assert told("oxmq.worker.slots") is None


async def test_stalled_jobs_are_counted(bed: Bed, recorder: Recorder) -> None:
    job = await bed.queue().add("passes")
    assert await bed.worker(handle, lock_duration=0.05, stalled_interval=0.05).get_next_job("token")
    bed.working(handle, telemetry=recorder.telemetry, stalled_interval=0.05)
    await reaches(job, "completed", PATIENCE)
    (point,) = recorder.metrics()["oxmq.jobs.stalled"].values()
    assert point.value == 1


async def test_metrics_arrive(bed: Bed) -> None:
    with Collector() as collector:
        with sending_to(collector.url) as telemetry:
            bed.working(handle, telemetry=telemetry)
            await reaches(await bed.queue(telemetry=telemetry).add("passes"), "completed", PATIENCE)
        for metric in ("oxmq.jobs.added", "oxmq.jobs.completed"):
            assert by_task(collector.points(metric))["passes"].as_int == 1
        assert by_task(collector.points("oxmq.job.duration"))["passes"].count == 1


def test_names_of_jobs_make_no_more_series_than_allowed() -> None:
    labels = TaskLabels(["known"], most=2)
    assert [labels.label(name) for name in ("a", "b", "c", "known", "a", "x" * 101)] == [
        "a", "b", OTHER, "known", "a", OTHER,
    ]  # fmt: skip


def test_all_jobs_are_recorded_where_there_are_not_too_many() -> None:
    share = Share(most=10)
    assert all(share.takes(second + part / 10) for second in range(5) for part in range(10))


def test_an_even_share_is_recorded_where_there_are_too_many() -> None:
    share = Share(most=10)
    taken = [second for second in range(5) for part in range(1000) if share.takes(second + part / 1000)]
    assert all(5 <= taken.count(second) <= 11 for second in range(5))
    spread = [part for part in range(1000) if share.takes(5 + part / 1000)]
    assert spread[-1] - spread[0] > 800
    assert all(share.takes(10 + part / 10) for part in range(10))
