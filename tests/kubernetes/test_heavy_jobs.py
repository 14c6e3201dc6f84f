"""Heavy jobs on a real control plane: what becomes of them, and how it is told."""

from __future__ import annotations

from tests.kubernetes.stage import LONG, Stage


async def test_smoke(heavy: Stage) -> None:
    job = await heavy.add("add_up", {"numbers": [1, 2, 3]})
    script = await heavy.add_script("printf 42 > $OXMQ_RESULT_FILE")
    async with heavy.working():
        assert await script.result(LONG) == 42
        assert await job.result(LONG) == 6
    await heavy.assert_sound()


async def test_smoke2(heavy: Stage) -> None:
    script = await heavy.add_script("sleep 1; printf 42 > $OXMQ_RESULT_FILE")
    worker = heavy.start_worker("die after create_job 1")
    assert await worker.ended() == -9
    worker = heavy.start_worker()
    assert await script.result(LONG) == 42
    worker.terminate()
    assert await worker.ended() == 0, worker.output()
    print(worker.output())
    await heavy.assert_sound()
