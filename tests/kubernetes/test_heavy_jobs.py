"""Heavy jobs on a real control plane: what becomes of them, and how it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from oxmq import ConfigurationError, Kubernetes, Worker
from oxmq.kubernetes.executor import KubernetesExecutor
from oxmq.kubernetes.naming import Identity
from oxmq.kubernetes.settings import read_settings
from oxmq.ops import reconciling, remote_runs
from oxmq.ops.remote_runs import RemoteRun
from tests.deploy.manifests import written
from tests.kubernetes import heavy_tasks
from tests.kubernetes.heavy_tasks import accident
from tests.kubernetes.stage import LONG, QUEUE, Stage, failure_of
from tests.support.waiting import eventually

ODD_ID = "--job=x$(PYTHONUNBUFFERED)$$'\"<>&%\\Ünïcödé"
ODD_TEXT = "$(OXMQ_JOB_ID) $$(OXMQ_QUEUE) $$ `id` \\ ' € \x00"


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a worker in this process wait less for what will not come."""
    monkeypatch.setattr("oxmq.kubernetes.follower._PENDING_TICK", 0.3)
    monkeypatch.setattr("oxmq.kubernetes.follower._RUNNING_TICK", 0.5)
    monkeypatch.setattr("oxmq.kubernetes.follower._IMAGE_GRACE", 1.0)
    monkeypatch.setattr("oxmq.kubernetes.follower._AFTER_DISRUPTION", 0.5)


@pytest.fixture
def elsewhere(heavy: Stage) -> Iterator[str]:
    """Return another namespace."""
    name = f"{heavy.namespace}-b"
    heavy.plane.create_namespace(name)
    yield name
    heavy.plane.remove_namespace(name)


async def test_a_task_runs_in_a_pod(heavy: Stage) -> None:
    gate = heavy.file()
    added = await heavy.add("add_up", {"numbers": [1, 2, 3]})
    waiting = await heavy.add("wait_for_file", {"path": str(gate)})
    async with heavy.working():
        await heavy.has_progress(waiting)
        state = await heavy.run_state(waiting)
        assert state.run
        assert (state.run.phase, state.run.namespace, state.run.number) == ("spawned", heavy.namespace, 1)
        assert state.pod.startswith(state.run.name)
        assert state.heart_ms
        [found] = await heavy.cluster_jobs_of(waiting)
        assert found["metadata"]["uid"] == state.run.uid
        gate.write_text("here")
        assert await added.result(LONG) == 6
        assert await waiting.result(LONG) == "here"
    await added.refresh()
    assert added.progress == 50
    logs = await added.get_logs()
    assert logs[0] == f"Kubernetes Job {heavy.namespace}/{heavy.runs_of(added)[0].job} was created"
    assert "adding 3 numbers" in logs
    await heavy.assert_sound()


async def test_a_task_fails_in_its_pod(heavy: Stage) -> None:
    failing = await heavy.add("fail", {"reason": "boo €"})
    giving_up = await heavy.add("give_up", {}, attempts=3)
    second_try = await heavy.add("fail_once", {"path": str(heavy.file())}, attempts=2)
    unfit = await heavy.add("add_up", {"figures": 1}, attempts=2)
    async with heavy.working():
        assert await failure_of(failing) == "boo €"
        assert "raise ValueError(reason)" in failing.stacktrace[0]
        assert "heavy_tasks.py" in failing.stacktrace[0]
        assert await failure_of(giving_up) == "there is no such month"
        assert await second_try.result(LONG) == "well"
        assert "data does not fit task 'add_up'" in await failure_of(unfit)
    await second_try.refresh()
    assert [failing.attempts_made, giving_up.attempts_made, second_try.attempts_made] == [1, 1, 2]
    assert unfit.attempts_made == 1
    assert len(heavy.runs_of(second_try)) == 2
    assert len({run.job for run in heavy.runs_of(second_try)}) == 2
    await heavy.assert_sound()


async def test_a_task_steers_its_job_from_its_pod(heavy: Stage) -> None:
    names = ("delay", "rate limit", "children")
    jobs = [await heavy.add("steer_once", {"signal": name, "path": str(heavy.file())}) for name in names]
    async with heavy.working():
        results = [await job.result(LONG) for job in jobs]
    assert results == ["delay: []", "rate limit: []", "children: [42]"]
    for job in jobs:
        await job.refresh()
        assert job.attempts_made == 1
        assert [run.command[-2] for run in heavy.runs_of(job)] == ["--run=1", "--run=2"]
    await heavy.assert_sound(again={job.id: 1 for job in jobs})


async def test_a_pod_that_runs_too_long_is_stopped(heavy: Stage) -> None:
    heavy.declare(heavy_tasks.clean_up_when_stopped, "long", timeout="2s")
    heavy.declare(heavy_tasks.run_script, "stubborn", timeout="1s", grace=1)
    cleaned = heavy.file()
    polite = await heavy.add("long", {"path": str(cleaned)})
    stubborn = await heavy.add_script("trap '' TERM; while :; do sleep 0.3; done", "stubborn")
    async with heavy.working():
        assert "ran longer than its timeout of 2 s" in await failure_of(polite)
        assert "ran longer than its timeout of 1 s" in await failure_of(stubborn)
        await heavy.assert_sound()
        await eventually(cleaned.exists, LONG, "the handler was not told to stop")
        await eventually(lambda: heavy.runs_of(stubborn)[0].exit_code == 137, LONG, "it was not killed")


async def test_a_pod_that_does_not_start_fails_in_words(heavy: Stage) -> None:
    script = heavy_tasks.run_script
    heavy.declare(script, "large", cpu="1000", pending_timeout="1s")
    heavy.declare(script, "no image", patch=accident("imagepull"))
    heavy.declare(script, "no name", patch=accident("invalid-image"))
    heavy.declare(script, "no secret", env_from=["secret:missing"])
    large = await heavy.add_script("exit 0", "large")
    no_image = await heavy.add_script("exit 0", "no image", attempts=2)
    no_name = await heavy.add_script("exit 0", "no name", attempts=2)
    no_secret = await heavy.add_script("exit 0", "no secret")
    async with heavy.working():
        assert "no node could take the pod in 1 s" in (why := await failure_of(large))
        assert "Insufficient cpu" in why
        assert "the image cannot be pulled: registry.test/heavy:1" in (why := await failure_of(no_image))
        assert "manifest unknown" in why
        assert "no valid name of an image: registry.test/heavy:1" in await failure_of(no_name)
        assert 'secret "missing" not found' in await failure_of(no_secret)
        await heavy.assert_sound()
    assert [no_image.attempts_made, no_name.attempts_made] == [2, 1], "a name that is none stays one"
    assert not any(map(heavy.runs_of, (large, no_image, no_name, no_secret)))


async def test_what_a_pod_needs_may_come_later(heavy: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oxmq.kubernetes.follower._IMAGE_GRACE", LONG)
    heavy.declare(heavy_tasks.read_variable, "read_secret", env_from=["secret:late"])
    job = await heavy.add("read_secret", {"name": "PASSWORD"})
    async with heavy.working():
        await eventually(lambda: heavy.cluster_jobs_of(job), LONG, "no Job was made")
        secret = {"metadata": {"name": "late"}, "stringData": {"PASSWORD": "secret", "OXMQ_URL": heavy.url}}
        await heavy.api.post(f"/api/v1/namespaces/{heavy.namespace}/secrets", secret)
        assert await job.result(LONG) == "secret"
    [found] = await heavy.cluster_jobs_of(job)
    assert heavy.url not in str(found), "what the Secret says is not said elsewhere"
    await heavy.assert_sound()


async def test_the_cluster_ends_a_pod(heavy: Stage) -> None:
    heavy.declare(heavy_tasks.run_script, "greedy", patch=accident("oom:0.2"))
    first = heavy.file()
    greedy = await heavy.add_script("exec sleep 600", "greedy")
    evicted = await heavy.add_script(f"if mkdir {first}; then exec sleep 600; fi", "run_evicted")
    async with heavy.working():
        assert "it used more memory than its limit of 64Mi" in await failure_of(greedy)
        assert await evicted.result(LONG) is None
    await evicted.refresh()
    assert evicted.attempts_made == 1
    assert any("evicted the pod" in line and "at no cost" in line for line in await evicted.get_logs())
    await heavy.assert_sound(again={evicted.id: 1})


async def test_a_program_runs_in_a_pod(heavy: Stage) -> None:
    told = heavy.file()
    telling = await heavy.add_script(
        f'echo "$OXMQ_QUEUE $OXMQ_JOB_ID $OXMQ_JOB_NAME $OXMQ_ATTEMPT" > {told}; echo out; echo err >&2;'
        'printf \'{"rows": [1, "€"]}\' > "$OXMQ_RESULT_FILE"'
    )
    silent = await heavy.add_script("exit 0")
    failing = await heavy.add_script("echo one; echo two; exit 3", attempts=1)
    garbled = await heavy.add_script("echo 'no json' > $OXMQ_RESULT_FILE", attempts=2)
    async with heavy.working():
        assert await telling.result(LONG) == {"rows": [1, "€"]}
        assert await silent.result(LONG) is None
        assert "the program exited with code 3" in (why := await failure_of(failing))
        assert "one\ntwo" in why
        assert "the program's result is no JSON" in (why := await failure_of(garbled))
        assert "no json" in why
    assert told.read_text() == f"{QUEUE} {telling.id} run_script 1\n"
    assert {"out", "err"} <= set(await telling.get_logs())
    assert garbled.attempts_made == 1, "another run would end the same way"
    await heavy.assert_sound()


async def test_names_and_data_of_any_kind(heavy: Stage) -> None:
    told = heavy.file()
    script = heavy.file()
    script.write_text(f'printf %s "$OXMQ_JOB_ID" > {told}.id; printf %s "$OXMQ_JOB_DATA" > {told}.data')
    program = await heavy.add("run_script", {"path": str(script), "odd": ODD_TEXT}, job_id=ODD_ID)
    task = await heavy.add("fail", {"reason": ODD_TEXT}, job_id=f"{ODD_ID}2")
    async with heavy.working():
        assert await program.result(LONG) is None
        assert await failure_of(task) == ODD_TEXT
    assert Path(f"{told}.id").read_text() == ODD_ID
    assert Path(f"{told}.data").read_bytes() == program.record.data
    await heavy.assert_sound()


async def test_a_job_is_cancelled(heavy: Stage) -> None:
    heavy.declare(heavy_tasks.run_script, "large", cpu="1000")
    cleaned = heavy.file()
    pending = await heavy.add_script("exit 0", "large")
    running = await heavy.add("clean_up_when_stopped", {"path": str(cleaned)})
    async with heavy.working():
        await eventually(lambda: heavy.cluster_jobs_of(pending), LONG, "no Job was made")
        await heavy.has_progress(running)
        assert not await pending.cancel("not any more")
        assert not await running.cancel("enough")
        assert await failure_of(pending) == "not any more"
        assert await failure_of(running) == "enough"
        await eventually(cleaned.exists, LONG, "the handler was not told to stop")
        await heavy.assert_sound()
    assert not heavy.runs_of(pending)


async def test_a_job_expires_before_it_gets_a_pod(heavy: Stage) -> None:
    job = await heavy.add_script("exit 0", expires=0.05)
    added = monotonic()
    await eventually(lambda: monotonic() > added + 0.1)
    async with heavy.working():
        assert "expired" in await failure_of(job)
    assert not await heavy.cluster_jobs_of(job)


def test_what_no_pod_can_be_like_is_refused_where_it_is_declared() -> None:
    bad: list[dict[str, Any]] = [
        {"cpu": "two"},
        {"memory": "8Gb"},
        {"namespace": "My_Jobs"},
        {"image": "a b"},
        {"patch": {"spec": print}},
    ]
    for spec in bad:
        with pytest.raises(ConfigurationError, match=next(iter(spec))):
            Kubernetes(**spec)


async def test_a_worker_does_not_start_without_what_its_pods_need(
    heavy: Stage, heavy_environment: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    heavy.declare(heavy_tasks.add_up, "anywhere", image=None)
    with pytest.raises(ConfigurationError, match=r"'anywhere' names no image.*OXMQ_KUBERNETES_IMAGE"):
        heavy.app.worker()
    heavy_environment(OXMQ_KUBERNETES_IMAGE="registry.test/other:2", OXMQ_URL="redis://:secret@redis:6379")
    with pytest.raises(ConfigurationError, match="holds a password") as refused:
        heavy_tasks.app_for(None, heavy.prefix).worker()
    assert "secret@" not in str(refused.value)
    monkeypatch.delenv("OXMQ_URL")
    with pytest.raises(ConfigurationError, match="would not know where Redis is"):
        heavy_tasks.app_for(None, heavy.prefix).worker()
    heavy_environment(OXMQ_KUBERNETES_ENV_FROM="secret:oxmq")
    heavy_environment(KUBECONFIG=str(heavy.file("none")), OXMQ_RUN_KUBERNETES="kubernetes")
    worker = heavy.app.worker()
    with pytest.raises(ConfigurationError, match="cluster"):
        await worker.run(handle_signals=False)


async def test_a_worker_has_the_rights_of_the_manifests_and_no_others(
    heavy: Stage, elsewhere: str, heavy_environment: Callable[..., None]
) -> None:
    for found in written():
        if found["metadata"]["name"] == "oxmq-heavy-jobs":
            kind = found["kind"].lower() + "s"
            body = {**found, "metadata": {"name": "oxmq-heavy-jobs"}}
            await heavy.api.post(f"/apis/rbac.authorization.k8s.io/v1/namespaces/{heavy.namespace}/{kind}", body)
    account = {"metadata": {"name": "oxmq-scheduler"}}
    await heavy.api.post(f"/api/v1/namespaces/{heavy.namespace}/serviceaccounts", account)
    config = heavy.plane.service_account_kubeconfig(heavy.namespace, "oxmq-scheduler")
    heavy_environment(KUBECONFIG=str(config))
    heavy.declare(heavy_tasks.run_script, "elsewhere", namespace=elsewhere)
    heavy.declare(heavy_tasks.run_script, "nowhere", namespace="no-such-namespace")
    here = await heavy.add_script("printf 1 > $OXMQ_RESULT_FILE")
    failing = await heavy.add_script("echo why; exit 1", attempts=1)
    there = await heavy.add_script("exit 0", "elsewhere", attempts=3)
    nowhere = await heavy.add_script("exit 0", "nowhere", attempts=3)
    stopped = await heavy.add_script("exec sleep 600")
    async with heavy.working():
        assert await here.result(LONG) == 1
        assert "why" in await failure_of(failing)
        assert 'cannot create resource "jobs"' in (why := await failure_of(there))
        assert f'in the namespace "{elsewhere}"' in why
        assert "no-such-namespace" in await failure_of(nowhere)
        await heavy.has_begun(stopped)
        await stopped.cancel()
        assert await failure_of(stopped) == "cancelled"
        await heavy.assert_sound()
        report = await heavy.app.runner.run(reconciling.get_report(heavy.prefix))
        assert report
        assert elsewhere in report.error
    assert [there.attempts_made, nowhere.attempts_made] == [1, 1]


async def test_a_namespace_that_does_not_exist(heavy: Stage) -> None:
    heavy.declare(heavy_tasks.run_script, "nowhere", namespace="no-such-namespace")
    job = await heavy.add_script("exit 0", "nowhere", attempts=3)
    async with heavy.working():
        assert 'namespaces "no-such-namespace" not found' in await failure_of(job)
    assert job.attempts_made == 1


async def test_a_quota_is_waited_for(heavy: Stage) -> None:
    heavy.declare(heavy_tasks.run_script, "impatient", pending_timeout="1s")
    quota = {"metadata": {"name": "quota"}, "spec": {"hard": {"count/jobs.batch": "1"}}}
    path = f"/api/v1/namespaces/{heavy.namespace}/resourcequotas"
    await heavy.api.post(path, quota)

    async def counts() -> bool:
        return "used" in (await heavy.api.get(f"{path}/quota")).get("status", {})

    await eventually(counts, LONG, "the quota is not enforced")
    gate = heavy.file()
    script = f"until [ -e {gate} ]; do sleep 0.3; done; printf 1 > $OXMQ_RESULT_FILE"
    first = await heavy.add_script(script)
    async with heavy.working():
        await heavy.has_begun(first)
        second = await heavy.add_script(script)
        third = await heavy.add_script(script, "impatient")
        assert "the cluster did not take the Job" in (why := await failure_of(third))
        assert "exceeded quota" in why
        gate.touch()
        assert await first.result(LONG) == 1
        await heavy.api.patch(f"{path}/quota", {"spec": {"hard": {"count/jobs.batch": "2"}}})
        assert await second.result(LONG) == 1
        await heavy.assert_sound()
    assert any("does not take the Job yet" in line and "exceeded quota" in line for line in await second.get_logs())


async def test_the_job_of_somebody_else_is_left_alone(heavy: Stage) -> None:
    job = await heavy.add_script("exit 0", attempts=3)
    owner = await heavy.app.runner.run(reconciling.claim_owner(heavy.prefix, "tests"))
    name = Identity(
        owner=owner, prefix=heavy.prefix, queue=QUEUE, job_id=job.id, timestamp=job.record.timestamp, number=1,
        attempt=1, task=job.name,
    ).name  # fmt: skip
    container = {"name": "theirs", "image": "theirs", "command": ["sleep", "600"]}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    path = f"/apis/batch/v1/namespaces/{heavy.namespace}/jobs"
    theirs = await heavy.api.post(path, {"metadata": {"name": name}, "spec": {"template": template}})
    async with heavy.working():
        assert f"there is a Job {heavy.namespace}/{name} that is not of this job" in await failure_of(job)
        await heavy.assert_sound()
    assert job.attempts_made == 1
    [found] = await heavy.cluster_jobs()
    assert found["metadata"]["uid"] == theirs["metadata"]["uid"]
    assert "deletionTimestamp" not in found["metadata"]


async def test_a_finished_job_is_removed_when_its_time_is_over(heavy: Stage) -> None:
    heavy.declare(heavy_tasks.run_script, "passing", ttl="4s")
    job = await heavy.add_script("printf 1 > $OXMQ_RESULT_FILE", "passing")
    async with heavy.working():
        assert await job.result(LONG) == 1

        async def is_gone() -> bool:
            return not await heavy.cluster_jobs()

        await eventually(is_gone, LONG, "the Job is still there")
    await heavy.assert_sound()


async def test_a_job_runs_anew(heavy: Stage) -> None:
    counted = heavy.file()
    count = f"echo x >> {counted}; grep -c x {counted} > $OXMQ_RESULT_FILE"
    again = await heavy.add_script(count, job_id="again")
    completed = await heavy.add("add_up", {"numbers": [1]})
    failed = await heavy.add("fail", {"reason": "no"})
    async with heavy.working():
        assert await again.result(LONG) == 1
        await again.remove()
        again = await heavy.add("run_script", again.data, job_id="again")
        assert await again.result(LONG) == 2
        await again.retry("completed")
        assert await again.result(LONG) == 3
        await again.retry("completed", reset_attempts_made=True)
        assert await again.result(LONG) == 4
        await completed.result(LONG)
        await completed.retry("completed", reset_attempts_made=True)
        assert await completed.result(LONG) == 1
        await failure_of(failed)
        await failed.retry(reset_attempts_made=True)
        assert await failure_of(failed) == "no"
        await heavy.assert_sound(again={again.id: 3, completed.id: 1, failed.id: 1})
    assert len(heavy.runs_of(again)) == 4
    assert [len(heavy.runs_of(job)) for job in (completed, failed)] == [2, 2]


async def test_a_job_runs_on_where_it_has_begun(heavy: Stage, elsewhere: str) -> None:
    gate = heavy.file()
    heavy.declare(heavy_tasks.run_script, "moving")
    job = await heavy.add_script(f"until [ -e {gate} ]; do sleep 0.3; done; printf 1 > $OXMQ_RESULT_FILE", "moving")
    async with heavy.working():
        await heavy.has_begun(job)
    del heavy.app.tasks[QUEUE, "moving"]
    heavy.declare(heavy_tasks.run_script, "moving", namespace=elsewhere)
    async with heavy.working():
        gate.touch()
        assert await job.result(LONG) == 1
    assert [run.namespace for run in heavy.runs_of(job)] == [heavy.namespace]
    await heavy.assert_sound()


async def test_jobs_with_a_pod_come_first_when_their_worker_goes(heavy: Stage) -> None:
    jobs = [await heavy.add_script("exec sleep 600") for _ in range(4)]
    async with heavy.working(concurrency=1, concurrency_kubernetes=1):
        for job in jobs[:2]:
            await heavy.has_begun(job)
    waiting = await heavy.app.queue(QUEUE).get_jobs(["waiting"], asc=True)
    assert {job.id for job in waiting[:2]} == {job.id for job in jobs[:2]}
    assert [job.id for job in waiting[2:]] == [job.id for job in jobs[2:]]
    assert [await job.cancel() for job in jobs] == [True] * 4


async def test_who_has_lost_a_job_does_not_stop_its_pod(heavy: Stage) -> None:
    gate = heavy.file()
    script = f"until [ -e {gate} ]; do sleep 0.3; done; printf 1 > $OXMQ_RESULT_FILE"
    job = await heavy.add_script(script, timeout=4)
    async with heavy.working() as worker:
        await heavy.has_begun(job)
        lock = f"{heavy.prefix}:{QUEUE}:{job.id}:lock"
        heavy.redis.set(lock, "another worker's")
        await eventually(lambda: worker.running == 0, LONG, "the time limit does not come")
        [found] = await heavy.cluster_jobs_of(job)
        assert "deletionTimestamp" not in found["metadata"]
        gate.touch()
        heavy.redis.delete(lock)
        assert await job.result(LONG) == 1
    await heavy.assert_sound()


async def test_only_the_run_of_an_attempt_that_has_ended_is_over(heavy: Stage) -> None:
    job = await heavy.add_script("exit 0", attempts=2)
    context = heavy.app.context(QUEUE)
    executor = KubernetesExecutor(context.runner, heavy.prefix, context.clock, read_settings(), [])
    async with Worker(QUEUE, print, heavy.url, prefix=heavy.prefix) as worker:
        for attempt in (1, 2):
            taken = await worker.get_next_job(f"token {attempt}")
            assert taken
            run = RemoteRun(number=attempt, attempt=attempt, namespace="n", name=f"run-{attempt}", phase="spawned")
            await context.runner.run(remote_runs.note_run(context.keys, job.id, f"token {attempt}", run, fresh=True))
            # Told late of the end of the first attempt: the second is under way.
            executor.ended(context, taken)
            await executor.close()
            state = await heavy.run_state(job)
            assert state.run == run
            await taken.move_to_failed("no", f"token {attempt}")
        executor.ended(context, job)
        await executor.close()
    state = await heavy.run_state(job)
    assert state.run
    assert state.run.phase == "over"


async def test_tasks_run_in_different_namespaces(heavy: Stage, elsewhere: str) -> None:
    heavy.declare(heavy_tasks.run_script, "elsewhere", namespace=elsewhere)
    here = await heavy.add_script("printf 1 > $OXMQ_RESULT_FILE")
    there = await heavy.add_script("printf 2 > $OXMQ_RESULT_FILE", "elsewhere")
    async with heavy.working():
        assert await here.result(LONG) == 1
        assert await there.result(LONG) == 2
    assert [run.namespace for job in (here, there) for run in heavy.runs_of(job)] == [heavy.namespace, elsewhere]
    assert len(await heavy.cluster_jobs(elsewhere)) == 1
    await heavy.assert_sound()


async def test_jobs_in_pods_take_no_place_from_others(heavy: Stage) -> None:
    gate = heavy.file()
    script = f"until [ -e {gate} ]; do sleep 0.3; done"
    async with heavy.working(concurrency=1, concurrency_kubernetes=5):
        many = [await heavy.add_script(script) for _ in range(5)]
        for job in many:
            await heavy.has_begun(job)
        small = await heavy.add("double", {"number": 21})
        assert await small.result(LONG) == 42
        # One more has the worker's own place, and the next has none.
        more = [await heavy.add_script(script) for _ in range(2)]
        await heavy.has_begun(more[0])
        assert await heavy.app.queue(QUEUE).get_job_count_by_types("active") == 6
        assert await more[1].is_waiting()
        gate.touch()
        await asyncio.gather(*(job.result(LONG) for job in (*many, *more)))
        assert (await (await heavy.add("double", {"number": 1})).result(LONG)) == 2
    async with heavy.working(concurrency=1, concurrency_kubernetes=1):
        gates = [heavy.file() for _ in range(2)]
        two = [await heavy.add_script(f"until [ -e {gate} ]; do sleep 0.3; done") for gate in gates]
        for job in two:
            await heavy.has_begun(job)
        gates[0].touch()
        await two[0].result(LONG)
        # Its slot goes to the other one, which gives back the worker's own place.
        assert (await (await heavy.add("double", {"number": 1})).result(LONG)) == 2
        gates[1].touch()
        await two[1].result(LONG)
    await heavy.assert_sound()
