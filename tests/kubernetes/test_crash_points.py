"""A worker dies, or is told to stop, at each step of a heavy job: another one goes on, and no pod runs twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from signal import SIGKILL

from oxmq import Job, every
from tests.kubernetes.stage import LONG, QUEUE, Stage, WorkerProcess, failure_of
from tests.support.waiting import eventually

Play = Callable[[Stage, str], Awaitable[None]]

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
#: From the end of an attempt that has failed to the pod of the next one.
RETRYING = ("before finish 1", "after finish 1", "before end_run 1", "before note_run 3", "after create_job 2")
#: From the eviction of a pod to the decision that the attempt goes on in another one.
DISRUPTED = ("before note_run 3", "after note_run 3", "after finish 1")
#: From the decision to stop a pod to the end of its job.
STOPPING = ("before delete_job 1", "after delete_job 1", "before finish 1", "after finish 1")
#: Calls whose loss costs a job nothing: to Redis, and to the cluster.
LOST = (
    "before run_state 1", "before note_run 1", "after note_run 2", "before run_state 2", "before run_state 4",
    "after create_job 1", "before list_pods 1", "before list_pods 2", "before list_pods 3", "before read_log 1",
    "before list_events 1", "before list_jobs 2",
)  # fmt: skip
#: How many scenarios are on stage at once.
AT_ONCE = 10


async def side_by_side(heavy: Stage, plays: Iterable[tuple[Play, str, Iterable[str]]]) -> None:
    """Play a scenario for each accident at each of its points, each on a stage of its own."""
    places = asyncio.Semaphore(AT_ONCE)

    async def play_one(play: Play, accident: str) -> None:
        async with places:
            try:
                await play(heavy.part(), accident)
            except BaseException as error:
                error.add_note(f"scenario: {play.__name__}, accident: {accident}")
                raise

    async with asyncio.TaskGroup() as group:
        for play, accident, points in plays:
            for point in points:
                group.create_task(play_one(play, f"{accident} {point}"))


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


async def gated(stage: Stage, job: Job[object], gate: str) -> None:
    """Let a worker go on with a job whose program waits for a file, and complete it."""
    async with stage.working():
        await stage.has_begun(job)
        stage.file(gate).touch()
        await completed_once(stage, job, "well")
    assert job.attempts_made == 1


async def add_gated(stage: Stage) -> Job[object]:
    return await stage.add_script(
        f"until [ -e {stage.file('gate')} ]; do sleep 0.3; done; printf '\"well\"' > $OXMQ_RESULT_FILE"
    )


async def test_a_worker_goes_while_it_spawns(heavy: Stage) -> None:
    async def dies(stage: Stage, accident: str) -> None:
        job = await add_gated(stage)
        await died(stage.start_worker(accident))
        await gated(stage, job, "gate")

    async def is_told_to_stop(stage: Stage, accident: str) -> None:
        job = await add_gated(stage)
        worker = stage.start_worker(accident)
        assert await worker.ended() == 0, worker.output()
        assert await job.is_waiting(), "it is the next one, at once, though its program waits"
        await gated(stage, job, "gate")
        assert job.stalled_count == 0

    await side_by_side(heavy, [(dies, "die", SPAWNING), (is_told_to_stop, "term", SPAWNING)])


async def test_a_worker_dies_while_it_finishes(heavy: Stage) -> None:
    async def a_program(stage: Stage, accident: str) -> None:
        job = await stage.add_script("echo one; echo two; echo three; printf 42 > $OXMQ_RESULT_FILE")
        await died(stage.start_worker(accident))
        async with stage.working():
            await completed_once(stage, job, 42)
        assert job.attempts_made == 1
        assert {"one", "two", "three"} <= set(await job.get_logs())

    async def a_task(stage: Stage, accident: str) -> None:
        job = await stage.add("add_up", {"numbers": [1, 2, 3]})
        await died(stage.start_worker(accident))
        async with stage.working():
            await completed_once(stage, job, 6)
        assert job.attempts_made == 1
        assert (await job.get_logs()).count("adding 3 numbers") == 1

    async def a_failed_attempt(stage: Stage, accident: str) -> None:
        first = stage.file()
        job = await stage.add_script(f"if mkdir {first}; then exit 3; fi; printf 2 > $OXMQ_RESULT_FILE", attempts=2)
        await died(stage.start_worker(accident))
        async with stage.working():
            await completed_once(stage, job, 2)
        assert job.attempts_made == 2

    async def a_disruption(stage: Stage, accident: str) -> None:
        first = stage.file()
        script = f"if mkdir {first}; then exec sleep 600; fi; printf 1 > $OXMQ_RESULT_FILE"
        job = await stage.add_script(script, "run_evicted")
        await died(stage.start_worker(accident))
        async with stage.working():
            await completed_once(stage, job, 1, again=1)
        assert job.attempts_made == 1

    plays = [
        (a_disruption, "die", DISRUPTED),
        (a_program, "die", FINISHING),
        (a_task, "die", TASK_FINISHING),
        (a_failed_attempt, "die", RETRYING),
    ]
    await side_by_side(heavy, plays)


async def test_a_worker_dies_while_it_stops_a_pod(heavy: Stage) -> None:
    async def of_a_cancelled_job(stage: Stage, accident: str) -> None:
        stopped = stage.file()
        job = await stage.add_script(f"trap 'touch {stopped}; exit 143' TERM; while :; do sleep 0.3; done")
        worker = stage.start_worker(accident)
        await stage.has_begun(job)
        assert not await job.cancel("enough")
        await died(worker)
        async with stage.working():
            assert "enough" in await failure_of(job)
            await eventually(stopped.exists, LONG, "the program was not told to stop")
            await stage.assert_sound()
        assert len(stage.runs_of(job)) == 1

    async def that_runs_too_long(stage: Stage, accident: str) -> None:
        job = await stage.add_script("exec sleep 600", "run_briefly")
        await died(stage.start_worker(accident))
        async with stage.working():
            assert "timeout" in (why := await failure_of(job)) or "is gone from the cluster" in why
            await stage.assert_sound()
        assert len(stage.runs_of(job)) == 1

    await side_by_side(heavy, [(of_a_cancelled_job, "die", STOPPING), (that_runs_too_long, "die", STOPPING)])


async def test_a_call_is_lost(heavy: Stage) -> None:
    async def lost(stage: Stage, accident: str) -> None:
        job = await stage.add_script("sleep 1; printf 1 > $OXMQ_RESULT_FILE")
        worker = stage.start_worker(accident)
        await completed_once(stage, job, 1)
        worker.terminate()
        assert await worker.ended() == 0, worker.output()
        assert job.attempts_made == 1

    async def lost_after_its_pod_was_to_run(stage: Stage, accident: str) -> None:
        job = await stage.add_script(
            f"until [ -e {stage.file('gate')} ]; do sleep 0.3; done; printf 1 > $OXMQ_RESULT_FILE", "run_soon"
        )
        worker = stage.start_worker("term after list_pods 1")
        assert await worker.ended() == 0, worker.output()
        state = await stage.run_state(job)
        assert state.run
        begun_ms = state.run.at_ms
        await stage.has_begun(job)
        await eventually(lambda: stage.app.clock.now_ms() > begun_ms + 8_000, LONG)
        worker = stage.start_worker(accident)
        await eventually(lambda: "lost on its way" in worker.output(), LONG, "no call was lost")
        stage.file("gate").touch()
        await completed_once(stage, job, 1)
        assert job.attempts_made == 1

    reattaching = ("before get_job 1", "before list_pods 1")
    await side_by_side(heavy, [(lost_after_its_pod_was_to_run, "lose", reattaching), (lost, "lose", LOST)])


async def test_the_pods_of_a_worker_go_on_whose_loop_ends(heavy: Stage) -> None:
    job = await add_gated(heavy)
    worker = heavy.start_worker("quit after list_pods 1")
    assert await worker.ended() == 1, worker.output()
    await gated(heavy, job, "gate")


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
