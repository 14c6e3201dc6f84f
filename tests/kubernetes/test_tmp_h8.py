import time
from tests.kubernetes.stage import LONG, Stage
async def test_t(heavy: Stage) -> None:
    for acc in ("quit after list_pods 1","term after list_pods 1","term before create_job 1", "die after list_pods 1"):
        stage=heavy.part()
        t=time.time()
        gate = stage.file()
        job = await stage.add_script(f"until [ -e {gate} ]; do sleep 0.1; done; printf 1 > $OXMQ_RESULT_FILE")
        worker = stage.start_worker(acc)
        await worker.ended()
        print(acc, "ended", time.time()-t)
        async with stage.working():
            print("working", time.time()-t)
            await stage.has_begun(job)
            print("begun", time.time()-t)
            gate.touch()
            await job.result(LONG)
            print("result", time.time()-t)
        print("closed", time.time()-t)
        await stage.assert_sound(again={job.id:1})
        print("sound", time.time()-t)
        print(worker.output())
