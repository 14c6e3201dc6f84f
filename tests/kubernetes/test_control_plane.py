"""The control plane of the tests and its node behave as a cluster does, as far as other tests rely on it."""

from __future__ import annotations

import json
import os
from contextlib import aclosing
from typing import Any

import pytest
import pytest_asyncio

from tests.kubernetes.api import UNREACHABLE, Api, ApiError, Json
from tests.kubernetes.control_plane import ControlPlane
from tests.kubernetes.node_agent import NodeAgent
from tests.support.waiting import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("node")]

#: Seconds for what takes one on a quiet machine.
LONG = 60.0


class Jobs:
    """Make Jobs in a namespace and see what becomes of them."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.api = api
        self.core = f"/api/v1/namespaces/{namespace}"
        self.path = f"/apis/batch/v1/namespaces/{namespace}/jobs"

    # Any: what a container and a Job may say besides is the API's.
    async def create(
        self, name: str, *command: str, script: str = "", container: dict[str, Any] | None = None, **spec: Any
    ) -> Json:
        """Create a Job of one pod."""
        ours = {"name": "main", "image": "oxmq:test", "command": list(command), **(container or {})}
        template = {
            "metadata": {"annotations": {"lab/script": script}},
            "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 20, "containers": [ours]},
        }
        job = {"metadata": {"name": name}, "spec": {"backoffLimit": 0, "template": template, **spec}}
        return await self.api.post(self.path, job)

    async def pods(self, name: str) -> list[Json]:
        """Return the pods of a Job."""
        listed = await self.api.get(f"{self.core}/pods", labelSelector=f"job-name={name}")
        items: list[Json] = listed["items"]
        return items

    async def pod_in(self, name: str, phase: str) -> Json:
        """Return the Job's pod, as soon as it is in a phase."""

        async def found() -> Json | None:
            return next((pod for pod in await self.pods(name) if pod["status"].get("phase") == phase), None)

        pod = await eventually(found, LONG, f"no pod of {name} is {phase}")
        assert pod
        return pod

    async def state(self, name: str, kind: str, reason: str) -> Json:
        """Return the state of the Job's container, as soon as it has a reason."""

        async def found() -> Json | None:
            states = [each["state"] for pod in await self.pods(name) for each in _statuses(pod)]
            return next((state[kind] for state in states if state.get(kind, {}).get("reason") == reason), None)

        state = await eventually(found, LONG, f"{name} is not {reason}")
        assert state
        return state

    async def condition(self, name: str, kind: str) -> Json:
        """Return a condition of the Job, as soon as it is true."""

        async def found() -> Json | None:
            conditions = (await self.api.get(f"{self.path}/{name}"))["status"].get("conditions", [])
            return next((each for each in conditions if each["type"] == kind and each["status"] == "True"), None)

        condition = await eventually(found, LONG, f"{name} is not {kind}")
        assert condition
        return condition

    async def is_gone(self, name: str) -> bool:
        """Tell whether the Job and its pods have gone."""
        try:
            await self.api.get(f"{self.path}/{name}")
        except ApiError as error:
            return error.status == 404 and not await self.pods(name)
        return False

    async def log(self, name: str, **parameters: str) -> str:
        """Return the log of the Job's pod."""
        pod = (await self.pods(name))[0]["metadata"]["name"]
        return await self.api.text(f"{self.core}/pods/{pod}/log", **parameters)


def _statuses(pod: Json) -> list[Json]:
    statuses: list[Json] = pod["status"].get("containerStatuses", [])
    return statuses


@pytest_asyncio.fixture(loop_scope="session")
async def jobs(api: Api, namespace: str) -> Jobs:
    """Return the Jobs of the test's own namespace."""
    return Jobs(api, namespace)


async def test_a_command_runs_and_its_log_is_read_through_the_api(jobs: Jobs, node: NodeAgent) -> None:
    await jobs.create("hello", "python", "-c", "import sys; print('started'); print(sys.prefix)")
    await jobs.condition("hello", "Complete")
    assert (await jobs.log("hello")).splitlines()[0] == "started"
    assert ".venv" in await jobs.log("hello", tailLines="1")
    assert await jobs.log("hello", limitBytes="5") == "start"
    ended = await jobs.state("hello", "terminated", "Completed")
    assert ended["exitCode"] == 0
    assert ended["containerID"].startswith("process://")
    assert [run.exit_code for run in node.runs_of("hello")] == [0]


async def test_the_same_name_twice_is_a_conflict(jobs: Jobs) -> None:
    await jobs.create("twice", "true")
    with pytest.raises(ApiError) as refused:
        await jobs.create("twice", "true")
    assert (refused.value.status, refused.value.reason) == (409, "AlreadyExists")


async def test_a_failure_fails_the_job_with_what_the_command_left(jobs: Jobs) -> None:
    leave = "open(os.environ['OXMQ_RESULT_FILE'], 'w').write('x' * 5000)"
    await jobs.create(
        "broken",
        *("python", "-c", f"import os, sys; {leave}; sys.exit(3)"),
        container={"env": [{"name": "OXMQ_RESULT_FILE", "value": "/dev/termination-log"}]},
    )
    assert (await jobs.condition("broken", "Failed"))["reason"] == "BackoffLimitExceeded"
    ended = await jobs.state("broken", "terminated", "Error")
    assert (ended["exitCode"], ended["message"]) == (3, "x" * 4096)


async def test_a_command_that_is_not_there_cannot_start(jobs: Jobs) -> None:
    await jobs.create("absent", "no-such-program")
    assert "no-such-program" in (await jobs.state("absent", "terminated", "StartError"))["message"]
    await jobs.condition("absent", "Failed")


async def test_the_environment_comes_from_all_its_sources(jobs: Jobs, api: Api) -> None:
    await api.post(f"{jobs.core}/secrets", {"metadata": {"name": "keys"}, "stringData": {"KEY": "secret"}})
    await api.post(f"{jobs.core}/configmaps", {"metadata": {"name": "settings"}, "data": {"MODE": "fast", "f": "{}"}})
    container: Json = {
        "envFrom": [{"secretRef": {"name": "keys"}}, {"configMapRef": {"name": "settings"}, "prefix": "P_"}],
        "env": [
            {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
            {"name": "ONE", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "KEY"}}},
            {"name": "BOTH", "value": "$(KEY)-$(POD)"},
            {"name": "INPUT", "value": "/etc/input/f"},
        ],
        "volumeMounts": [{"name": "input", "mountPath": "/etc/input"}],
    }
    dump = "import json, os; print(json.dumps({**os.environ, 'read': open(os.environ['INPUT']).read()}))"
    template_volumes = [{"name": "input", "configMap": {"name": "settings"}}]
    await _create_with_volumes(jobs, "told", container, template_volumes, "python", "-c", dump)
    await jobs.condition("told", "Complete")
    told = json.loads(await jobs.log("told"))
    metadata = (await jobs.pods("told"))[0]["metadata"]
    assert (told["KEY"], told["ONE"], told["P_MODE"]) == ("secret", "secret", "fast")
    assert (told["POD"], told["UID"]) == (metadata["name"], metadata["uid"])
    assert (told["BOTH"], told["read"]) == (f"secret-{metadata['name']}", "{}")


async def _create_with_volumes(jobs: Jobs, name: str, container: Json, volumes: list[Json], *command: str) -> None:
    ours = {"name": "main", "image": "oxmq:test", "command": list(command), **container}
    spec = {"restartPolicy": "Never", "containers": [ours], "volumes": volumes}
    await jobs.api.post(jobs.path, {"metadata": {"name": name}, "spec": {"template": {"spec": spec}}})


async def test_a_missing_secret_holds_a_pod_up_until_it_is_there(jobs: Jobs, api: Api) -> None:
    await jobs.create("waits", "true", container={"envFrom": [{"secretRef": {"name": "later"}}]})
    waiting = await jobs.state("waits", "waiting", "CreateContainerConfigError")
    assert waiting["message"] == 'secret "later" not found'
    await api.post(f"{jobs.core}/secrets", {"metadata": {"name": "later"}})
    await jobs.condition("waits", "Complete")


async def test_deleting_a_job_asks_its_process_to_end(jobs: Jobs, node: NodeAgent) -> None:
    program = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); print('on', flush=True)"
    await jobs.create("stopped", "python", "-c", f"{program}; time.sleep(600)")
    await jobs.pod_in("stopped", "Running")
    await eventually(lambda: _has_logged(jobs, "stopped"), LONG)
    await jobs.api.delete(f"{jobs.path}/stopped", {"propagationPolicy": "Background"})
    await eventually(lambda: jobs.is_gone("stopped"), LONG, "the Job has not gone")
    assert [run.exit_code for run in node.runs_of("stopped")] == [7]


async def _has_logged(jobs: Jobs, name: str) -> bool:
    return bool(await jobs.log(name))


async def test_a_process_that_does_not_end_is_killed(jobs: Jobs, node: NodeAgent) -> None:
    await jobs.create("stubborn", "sh", "-c", "trap '' TERM; echo on; while :; do sleep 1; done")
    await jobs.pod_in("stubborn", "Running")
    await eventually(lambda: _has_logged(jobs, "stubborn"), LONG)
    pod = (await jobs.pods("stubborn"))[0]["metadata"]["name"]
    await jobs.api.delete(f"{jobs.core}/pods/{pod}", {"gracePeriodSeconds": 1})
    await eventually(lambda: node.runs_of("stubborn")[0].exit_code == 137, LONG)


async def test_memory_runs_out(jobs: Jobs) -> None:
    await jobs.create("greedy", "sleep", "600", script="oom")
    assert (await jobs.state("greedy", "terminated", "OOMKilled"))["exitCode"] == 137
    await jobs.condition("greedy", "Failed")


async def test_a_pod_is_evicted(jobs: Jobs) -> None:
    await jobs.create("unlucky", "sleep", "600", script="evict:0.2")
    status = (await jobs.pod_in("unlucky", "Failed"))["status"]
    assert status["reason"] == "Evicted"
    assert "low on resource" in status["message"]
    await jobs.condition("unlucky", "Failed")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("imagepull", "ImagePullBackOff"),
        ("invalid-image", "InvalidImageName"),
        ("config-error", "CreateContainerConfigError"),
    ],
)
async def test_a_container_never_starts(jobs: Jobs, node: NodeAgent, script: str, reason: str) -> None:
    await jobs.create(script, "true", script=script)
    assert (await jobs.state(script, "waiting", reason))["message"]
    await eventually(lambda: _has_warning(jobs, script), LONG, "no event says so")
    with pytest.raises(ApiError) as refused:
        await jobs.log(script)
    assert refused.value.status == 400
    await jobs.api.delete(f"{jobs.path}/{script}", {"propagationPolicy": "Background"})
    await eventually(lambda: jobs.is_gone(script), LONG)
    assert node.runs_of(script) == []


async def _has_warning(jobs: Jobs, name: str) -> bool:
    events = (await jobs.api.get(f"{jobs.core}/events", fieldSelector="type=Warning"))["items"]
    return any(event["involvedObject"]["name"].startswith(f"{name}-") for event in events)


async def test_what_no_node_can_take_waits_and_says_why(jobs: Jobs) -> None:
    await jobs.create("huge", "true", container={"resources": {"requests": {"cpu": "17", "memory": "1Gi"}}})

    async def refusal() -> Json | None:
        conditions = [each for pod in await jobs.pods("huge") for each in pod["status"].get("conditions", [])]
        return next((each for each in conditions if each.get("reason") == "Unschedulable"), None)

    condition = await eventually(refusal, LONG, "the pod is not refused")
    assert condition
    assert condition["message"] == "0/1 nodes are available: 1 Insufficient cpu."
    await eventually(lambda: _has_warning(jobs, "huge"), LONG)


async def test_a_job_is_deleted_when_its_time_is_over(jobs: Jobs) -> None:
    await jobs.create("brief", "true", ttlSecondsAfterFinished=1)
    await eventually(lambda: jobs.is_gone("brief"), LONG, "the Job is still there")


async def test_a_service_account_may_do_what_its_role_says(
    jobs: Jobs, api: Api, namespace: str, control_plane: ControlPlane
) -> None:
    await api.post(f"{jobs.core}/serviceaccounts", {"metadata": {"name": "worker"}})
    config = control_plane.service_account_kubeconfig(namespace, "worker")
    refused = control_plane.kubectl("get", "jobs", kubeconfig=config)
    assert f"system:serviceaccount:{namespace}:worker" in refused.stderr
    assert "Forbidden" in refused.stderr
    rights = control_plane.kubectl("-n", namespace, "create", "role", "r", "--verb=list", "--resource=jobs.batch")
    bound = control_plane.kubectl(
        "-n", namespace, "create", "rolebinding", "b", "--role=r", f"--serviceaccount={namespace}:worker"
    )
    assert (rights.returncode, bound.returncode) == (0, 0), rights.stderr + bound.stderr
    await eventually(lambda: control_plane.kubectl("get", "jobs", kubeconfig=config).returncode == 0, LONG)
    assert control_plane.kubectl("get", "pods", kubeconfig=config).returncode != 0


async def test_what_runs_goes_on_while_the_api_is_away(
    jobs: Jobs, node: NodeAgent, control_plane: ControlPlane
) -> None:
    await jobs.create("enduring", "sh", "-c", 'while [ ! -e "$GO" ]; do sleep 0.1; done; echo done')
    await jobs.pod_in("enduring", "Running")
    run = node.runs_of("enduring")[0]
    control_plane.stop_api()
    with pytest.raises(UNREACHABLE):
        await jobs.api.get(jobs.path)
    os.kill(run.pid, 0)
    control_plane.start_api()
    await jobs.pod_in("enduring", "Running")
    os.kill(run.pid, 9)
    await jobs.condition("enduring", "Failed")
    await jobs.create("after", "true")
    await jobs.condition("after", "Complete")
    assert [each.exit_code for each in node.runs_of("enduring")] == [137]


async def test_history_that_was_compacted_is_gone(jobs: Jobs, control_plane: ControlPlane) -> None:
    await jobs.create("old", "true")
    version = (await jobs.api.get(jobs.path))["metadata"]["resourceVersion"]
    await jobs.create("new", "true")
    assert await _first_event(jobs, version) == ("ADDED", "new")
    version = (await jobs.api.get(jobs.path))["metadata"]["resourceVersion"]
    control_plane.compact()
    with pytest.raises(ApiError) as refused:
        await _first_event(jobs, version)
    assert refused.value.status == 410
    await jobs.condition("new", "Complete")


async def _first_event(jobs: Jobs, version: str) -> tuple[str, str]:
    """Return the first event about the Job ``new``."""
    async with aclosing(jobs.api.watch(jobs.path, version)) as events:
        async for kind, job in events:
            if job["metadata"]["name"] == "new":
                return kind, job["metadata"]["name"]
    raise AssertionError("the watch ended")


async def test_a_lost_node_does_not_end_its_processes(
    jobs: Jobs, namespace: str, node: NodeAgent, control_plane: ControlPlane
) -> None:
    chosen: Json = {"nodeSelector": {"place": "far"}}
    with NodeAgent(control_plane, "node-far", labels={"place": "far"}) as far:
        ours = {"name": "main", "image": "oxmq:test", "command": ["sleep", "600"]}
        spec = {"restartPolicy": "Never", "containers": [ours], **chosen}
        await jobs.api.post(jobs.path, {"metadata": {"name": "cut-off"}, "spec": {"template": {"spec": spec}}})
        await jobs.pod_in("cut-off", "Running")
        far.kill_node()
        run = far.runs_of("cut-off")[0]
        os.kill(run.pid, 0)
        await eventually(lambda: _is_evicted(jobs, "cut-off"), LONG, "the pod is not given up")
        os.kill(run.pid, 0)
    assert run.ended is not None
    assert node.runs_of("cut-off") == []


async def _is_evicted(jobs: Jobs, name: str) -> bool:
    return any(pod["metadata"].get("deletionTimestamp") for pod in await jobs.pods(name))
