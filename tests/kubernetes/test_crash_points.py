"""A worker dies, or is told to stop, at each step of a heavy job: another one goes on, and no pod runs twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from signal import SIGKILL

from oxmq import Job, every
from tests.kubernetes.stage import LONG, QUEUE, Stage, WorkerProcess, failure_of
from tests.support.waiting import eventually

#: The steps until the pod is there and known to be, in order.
SPAWNING = (
    "after take 1", "before note_run 1", "after note_run 1", "before create_job 1", "after create_job 1",
    "before note_run 2", "after note_run 2", "before run_state 2", "before list_pods 1", "after list_pods 1",
)  # fmt: skip
#: The steps from the end of a program until nothing is left to do.
FINISHING = (
    "before read_log 1", "after read_log 1", "after add_log 3", "before list_events 1", "after list_events 1",
    "before finish 1", "after finish 1", "before end_run 1", "after end_run 1",
)  # fmt: skip
#: The same of a task, whose result lies in Redis.
TASK_FINISHING = ("before finish 1", "after finish 1", "before end_run 1")
#: How many scenarios are on stage at once.
AT_ONCE = 8


async def side_by_side(heavy: Stage, accidents: Iterable[str], play: Callable[[Stage, str], Awaitable[None]]) -> None:
    """Play a scenario for each accident, each on a stage of its own."""
    places = asyncio.Semaphore(AT_ONCE)

    async def play_one(accident: str) -> None:
        async with places:
            try:
                await play(heavy.part(), accident)
            except BaseException as error:
                error.add_note(f"accident: {accident}")
                raise

    async with asyncio.TaskGroup() as group:
        for accident in accidents:
            group.create_task(play_one(accident))


async def died(worker: WorkerProcess) -> None:
    assert await worker.ended() == -SIGKILL, worker.output()


async def completed_once(stage: Stage, job: Job[object], result: object, *, again: int = 0) -> None:
    """Check that the job has completed with the result, in one pod for each attempt, and that all know it."""
    assert await job.result(LONG) == result

    async def is_over() -> bool:
        run = (await stage.run_state(job)).run
        return run is not None and run.phase == "over"

    await eventually(is_over, LONG, f"the run of job {job.id} is not over")
    await stage.assert_sound(again={job.id: again})
    await job.refresh()
    assert len(stage.runs_of(job)) == job.attempts_made + again


async def test_a_worker_dies_while_it_spawns(heavy: Stage) -> None:
    async def play(stage: Stage, accident: str) -> None:
        gate = stage.file()
        job = await stage.add_script(f"until [ -e {gate} ]; do sleep 0.1; done; printf '\"well\"' > $OXMQ_RESULT_FILE")
        await died(stage.start_worker(f"die {accident}"))
        async with stage.working():
            await stage.has_begun(job)
            gate.touch()
            await completed_once(stage, job, "well")
        assert job.attempts_made == 1

    await side_by_side(heavy, SPAWNING, play)


async def test_a_worker_dies_while_it_finishes(heavy: Stage) -> None:
    async def play(stage: Stage, accident: str) -> None:
        job = await stage.add_script("echo one; echo two; echo three; printf 42 > $OXMQ_RESULT_FILE")
        await died(stage.start_worker(f"die {accident}"))
        async with stage.working():
            await completed_once(stage, job, 42)
        assert job.attempts_made == 1
        assert {"one", "two", "three"} <= set(await job.get_logs())

    await side_by_side(heavy, FINISHING, play)


async def test_a_worker_dies_while_a_task_finishes(heavy: Stage) -> None:
    async def play(stage: Stage, accident: str) -> None:
        job = await stage.add("add_up", {"numbers": [1, 2, 3]})
        await died(stage.start_worker(f"die {accident}"))
        async with stage.working():
            await completed_once(stage, job, 6)
        assert (await job.get_logs()).count("adding 3 numbers") == 1

    await side_by_side(heavy, TASK_FINISHING, play)


async def test_a_worker_dies_while_a_failed_attempt_makes_way_for_the_next(heavy: Stage) -> None:
    async def play(stage: Stage, accident: str) -> None:
        first = stage.file()
        job = await stage.add_script(f"if mkdir {first}; then exit 3; fi; printf 2 > $OXMQ_RESULT_FILE", attempts=2)
        await died(stage.start_worker(f"die {accident}"))
        async with stage.working():
            await completed_once(stage, job, 2)
        assert job.attempts_made == 2

    points = ("before finish 1", "after finish 1", "before end_run 1", "before note_run 3", "after create_job 2")
    await side_by_side(heavy, points, play)


async def test_a_worker_dies_after_a_disruption(heavy: Stage) -> None:
    async def play(stage: Stage, accident: str) -> None:
        first = stage.file()
        evicted = f"if mkdir {first}; then exec sleep 600; fi; printf 1 > $OXMQ_RESULT_FILE"
        job = await stage.add_script(evicted, "run_evicted")
        await died(stage.start_worker(f"die {accident}"))
        async with stage.working():
            await completed_once(stage, job, 1, again=1)
        assert job.attempts_made == 1

    await side_by_side(heavy, ("before note_run 3", "after note_run 3", "after finish 1"), play)


async def test_a_worker_dies_while_it_cancels(heavy: Stage) -> None:
    async def play(stage: Stage, accident: str) -> None:
        stopped = stage.file()
        job = await stage.add_script(f"trap 'touch {stopped}; exit 143' TERM; while :; do sleep 0.1; done")
        worker = stage.start_worker(f"die {accident}")
        await stage.has_begun(job)
        assert not await job.cancel("enough")
        await died(worker)
        async with stage.working():
            assert "enough" in await failure_of(job)
            await eventually(stopped.exists, LONG, "the program was not told to stop")
            await stage.assert_sound()
        assert len(stage.runs_of(job)) == 1

    await side_by_side(heavy, ("before delete_job 1", "after delete_job 1", "before finish 1", "after finish 1"), play)


async def test_a_worker_dies_while_it_stops_what_takes_too_long(heavy: Stage) -> None:
    async def play(stage: Stage, accident: str) -> None:
        job = await stage.add_script("exec sleep 600", "run_briefly")
        await died(stage.start_worker(f"die {accident}"))
        async with stage.working():
            assert "timeout" in (why := await failure_of(job)) or "is gone from the cluster" in why
            await stage.assert_sound()
        assert len(stage.runs_of(job)) == 1

    await side_by_side(heavy, ("before delete_job 1", "after delete_job 1", "before finish 1"), play)


async def test_the_reply_to_a_create_is_lost(heavy: Stage) -> None:
    job = await heavy.add_script("printf 1 > $OXMQ_RESULT_FILE")
    worker = heavy.start_worker("lose after create_job 1")
    await completed_once(heavy, job, 1)
    worker.terminate()
    assert await worker.ended() == 0, worker.output()


async def test_redis_does_not_answer_while_a_job_is_followed(heavy: Stage) -> None:
    async def play(stage: Stage, accident: str) -> None:
        job = await stage.add_script("sleep 1; printf 1 > $OXMQ_RESULT_FILE")
        worker = stage.start_worker(f"lose {accident}")
        await completed_once(stage, job, 1)
        worker.terminate()
        assert await worker.ended() == 0, worker.output()
        assert job.attempts_made == 1

    points = ("before run_state 1", "before note_run 1", "after note_run 2", "before run_state 2", "before run_state 4")
    await side_by_side(heavy, points, play)


async def test_the_pods_of_a_worker_go_on_whose_loop_ends(heavy: Stage) -> None:
    gate = heavy.file()
    job = await heavy.add_script(f"until [ -e {gate} ]; do sleep 0.1; done; printf 1 > $OXMQ_RESULT_FILE")
    worker = heavy.start_worker("quit after list_pods 1")
    assert await worker.ended() == 1, worker.output()
    async with heavy.working():
        await heavy.has_begun(job)
        gate.touch()
        await completed_once(heavy, job, 1)


async def test_a_worker_that_is_told_to_stop_hands_the_job_on_at_once(heavy: Stage) -> None:
    async def play(stage: Stage, accident: str) -> None:
        gate = stage.file()
        job = await stage.add_script(f"until [ -e {gate} ]; do sleep 0.1; done; printf 7 > $OXMQ_RESULT_FILE")
        worker = stage.start_worker(f"term {accident}")
        assert await worker.ended() == 0, worker.output()
        assert not gate.exists(), "the program still waits"
        await job.refresh()
        assert job.attempts_made == 0
        async with stage.working():
            await stage.has_begun(job)
            gate.touch()
            await completed_once(stage, job, 7)
        assert job.attempts_made == 1
        assert job.stalled_count == 0

    await side_by_side(heavy, SPAWNING, play)


async def test_a_schedule_goes_on_while_one_worker_after_the_other_dies(heavy: Stage) -> None:
    queue = heavy.app.queue(QUEUE)
    script = heavy.file("tick.sh")
    script.write_text("sleep 0.3; printf 1 > $OXMQ_RESULT_FILE")
    await queue.upsert_job_scheduler("tick", every(1), "run_script", {"path": str(script)})

    async def ticks_on() -> None:
        begun = len(runs_of_schedule(heavy))
        await eventually(lambda: len(runs_of_schedule(heavy)) >= begun + 2, LONG, "the schedule stands still")

    workers = [heavy.start_worker(), heavy.start_worker()]
    for _ in range(2):
        await ticks_on()
        workers.append(heavy.start_worker())
        workers.pop(0).kill9()
    await ticks_on()
    await queue.remove_job_scheduler("tick")

    async def at_rest() -> bool:
        return not await queue.get_job_count_by_types("waiting", "active", "delayed")

    await eventually(at_rest, LONG, "an iteration does not end")
    for worker in workers:
        worker.terminate()
        assert await worker.ended() == 0, worker.output()
    await heavy.assert_sound()
    assert not await queue.get_job_count_by_types("failed")
    assert len(set(runs_of_schedule(heavy))) == len(runs_of_schedule(heavy)), "an iteration ran twice"


def runs_of_schedule(heavy: Stage) -> list[str]:
    """Return the id of the iteration of every process that the node has started."""
    mine = (run for run in heavy.node.pods_run if run.environment.get("HEAVY_PREFIX") == heavy.prefix)
    return [run.environment["OXMQ_JOB_ID"] for run in mine]
