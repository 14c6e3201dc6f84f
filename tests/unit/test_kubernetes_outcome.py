"""What became of a heavy job's Job: the verdict and its words for every end that a cluster can tell of."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oxmq.kubernetes.diagnosis.happenings import happenings, trouble
from oxmq.kubernetes.diagnosis.job_state import job_phase, job_state
from oxmq.kubernetes.diagnosis.outcome import missing_words, pod_verdict, silent_words, start_verdict, verdict
from oxmq.kubernetes.diagnosis.pod_state import cannot_start, is_unschedulable, newest_first, pod_state
from oxmq.kubernetes.diagnosis.quotes import last_lines, quote
from oxmq.kubernetes.diagnosis.starting import pending_words
from oxmq.kubernetes.diagnosis.times import span
from oxmq.kubernetes.spec import Kubernetes
from tests.support import hostile

Json = dict[str, Any]
SPEC = Kubernetes(image="registry/app:1.4", cpu="2", memory="8Gi")
CREATED, STARTED, ASKED = "2026-11-22T10:00:00Z", "2026-11-22T10:00:05Z", "2026-11-22T10:05:00Z"
ENDED, LATER = "2026-11-22T10:04:00Z", "2026-11-22T10:05:10Z"


def job(*conditions: Json, **status: Any) -> Json:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "oxmq-1", "namespace": "jobs", "uid": "u1", "creationTimestamp": CREATED},
        "spec": {"backoffLimit": 0, "activeDeadlineSeconds": 7260},
        "status": {"startTime": CREATED, "conditions": list(conditions), **status},
    }


def holds(kind: str, reason: str = "", message: str = "", status: str = "True") -> Json:
    found: Json = {"type": kind, "status": status, "lastProbeTime": None, "lastTransitionTime": ASKED}
    return found | ({"reason": reason} if reason else {}) | ({"message": message} if message else {})


def failed(reason: str = "BackoffLimitExceeded", message: str = "Job has reached the specified backoff limit") -> Json:
    return job(holds("Failed", reason, message), failed=1)


def pod(state: Json | None = None, phase: str = "Running", *conditions: Json, **status: Any) -> Json:
    """Return a pod on a node whose container is in that state."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "oxmq-1-x7k2p", "namespace": "jobs", "uid": "p1", "creationTimestamp": CREATED},
        "spec": {
            "nodeName": "worker-3",
            "restartPolicy": "Never",
            "containers": [
                {"name": "job", "image": "registry/app:1.4", "resources": {"limits": {"cpu": "2", "memory": "8Gi"}}}
            ],
        },
        "status": {
            "phase": phase,
            "qosClass": "Guaranteed",
            "startTime": CREATED,
            "conditions": [holds("PodScheduled"), *conditions],
            "containerStatuses": [
                {
                    "name": "job",
                    "image": "registry/app:1.4",
                    "imageID": "",
                    "lastState": {},
                    "ready": False,
                    "restartCount": 0,
                    "state": {"running": {"startedAt": STARTED}} if state is None else state,
                }
            ],
            **status,
        },
    }


def ended(code: int, reason: str = "Error", at: str | None = ENDED, **more: Any) -> Json:
    told = {"exitCode": code, "reason": reason, "startedAt": STARTED, "finishedAt": at, "containerID": "containerd://1"}
    return {"terminated": told | more}


def waiting(reason: str, message: str = "") -> Json:
    return {"waiting": {"reason": reason, "message": message} if message else {"reason": reason}}


def deleted(given: Json, grace: int = 30, ends: str = "2026-11-22T10:05:30Z") -> Json:
    """Return a pod whose deletion was asked for at `ASKED`."""
    return given | {
        "metadata": given["metadata"] | {"deletionTimestamp": ends, "deletionGracePeriodSeconds": grace},
    }


def event(reason: str, message: str, kind: str = "Warning", at: str = ENDED, count: int = 1) -> Json:
    return {
        "kind": "Event", "type": kind, "reason": reason, "message": message, "count": count, "eventTime": None,
        "firstTimestamp": CREATED, "lastTimestamp": at, "involvedObject": {"kind": "Pod", "name": "oxmq-1-x7k2p"},
    }  # fmt: skip


UNSCHEDULABLE = "0/3 nodes are available: 3 Insufficient memory. preemption: 0/3 nodes are available."


def pending(*conditions: Json) -> Json:
    found = pod({}, "Pending")
    return found | {
        "spec": {key: value for key, value in found["spec"].items() if key != "nodeName"},
        "status": {"phase": "Pending", "qosClass": "Guaranteed", "conditions": list(conditions)},
    }


NO_NODE = pending(holds("PodScheduled", "Unschedulable", UNSCHEDULABLE, "False"))
GATED = pending(holds("PodScheduled", "SchedulingGated", "Scheduling is blocked due to non-empty gates", "False"))
NOT_FOUND = (
    'rpc error: code = NotFound desc = failed to pull and unpack image "registry/app:1.4": failed to resolve reference '
    '"registry/app:1.4": registry/app:1.4: not found'
)
DRAIN = holds("DisruptionTarget", "EvictionByEvictionAPI", "Eviction API: evicting")
LOW = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 53Mi. "
BY_KUBELET = holds("DisruptionTarget", "TerminationByKubelet", LOW)
UNKNOWN_END: Json = {"message": "The container could not be located when the pod was terminated", "at": None}


# --- The phase of a Job ---


@pytest.mark.parametrize(
    ("given", "phase"),
    [
        (job(), "active"),
        (job(active=1, ready=1, terminating=0), "active"),
        (job(holds("Complete"), succeeded=1, completionTime=ASKED), "complete"),
        (job(holds("SuccessCriteriaMet", "CompletionsReached"), holds("Complete", "CompletionsReached")), "complete"),
        (job(holds("SuccessCriteriaMet", "CompletionsReached"), succeeded=1), "active"),
        (failed(), "failed"),
        (job(holds("FailureTarget", "DeadlineExceeded"), holds("Failed", "DeadlineExceeded")), "failed"),
        (job(holds("FailureTarget", "PodFailurePolicy"), terminating=1), "active"),
        (job(holds("Suspended", "JobSuspended", "Job suspended")), "suspended"),
        (job(holds("Suspended", "JobResumed", "Job resumed", "False"), active=1), "active"),
        (job(holds("Suspended"), holds("Complete")), "complete"),
        (job(succeeded=1), "active"),
        (job(failed=7), "active"),
        (job(holds("Complete", status="False"), holds("Failed", status="Unknown")), "active"),
        ({}, "active"),
        (None, "active"),
        ({"status": {"conditions": [None, 3, {"type": ["Failed"], "status": "True"}]}}, "active"),
    ],
)
def test_a_job_is_over_when_its_conditions_say_so(given: object, phase: str) -> None:
    assert job_phase(given) == phase


def test_newer_servers_hint_at_the_end_before_it_is_final() -> None:
    state = job_state(job(holds("FailureTarget", "DeadlineExceeded", "Job was active longer than specified deadline")))
    assert (state.phase, state.is_ending, state.reason) == ("active", True, "DeadlineExceeded")
    assert job_state(job(holds("SuccessCriteriaMet"))).is_ending
    assert not job_state(failed()).is_ending


def test_deletion_of_a_job_is_noted() -> None:
    assert job_state(deleted(job())).is_deleted
    assert not job_state(job()).is_deleted


# --- What a pod says ---


def test_reads_a_running_pod() -> None:
    state = pod_state(pod())
    assert (state.node, state.phase, state.is_scheduled, state.waiting) == ("worker-3", "Running", True, None)
    assert state.running_since == datetime(2026, 11, 22, 10, 0, 5, tzinfo=UTC)
    assert (state.image, state.memory, state.has_started) == ("registry/app:1.4", "8Gi", True)


def test_reads_how_the_program_ended() -> None:
    state = pod_state(pod(ended(139, signal=11, message='{"a": 1}'), "Failed"))
    assert state.ended is not None
    assert (state.ended.code, state.ended.signal, state.ended.message) == (139, 11, '{"a": 1}')
    assert state.ended.at == datetime(2026, 11, 22, 10, 4, tzinfo=UTC)


def test_the_containers_beside_the_jobs_are_told_apart() -> None:
    given = pod(ended(0, "Completed"), "Failed")
    given["spec"]["containers"].insert(0, {"name": "proxy", "image": "proxy:1"})
    given["status"]["containerStatuses"].insert(0, {"name": "proxy", "state": ended(1)})
    state = pod_state(given)
    assert state.ended is not None
    assert (state.ended.container, state.ended.code, state.image) == ("job", 0, "registry/app:1.4")
    assert [other.container for other in state.others_ended] == ["proxy"]


def test_the_first_container_is_the_jobs_where_a_patch_has_renamed_it() -> None:
    given = pod(ended(3), "Failed")
    given["spec"]["containers"][0]["name"] = given["status"]["containerStatuses"][0]["name"] = "main"
    state = pod_state(given)
    assert state.ended is not None
    assert state.ended.code == 3


def test_a_container_that_is_to_start_again_tells_of_its_last_end() -> None:
    given = pod(waiting("CrashLoopBackOff", "back-off 10s restarting failed container=job pod=oxmq-1"))
    given["status"]["containerStatuses"][0]["lastState"] = ended(3)
    state = pod_state(given)
    assert state.ended is not None
    assert state.ended.code == 3


def test_a_deletion_was_asked_for_a_grace_period_before_its_time() -> None:
    assert pod_state(deleted(pod())).deletion_asked_at == datetime(2026, 11, 22, 10, 5, tzinfo=UTC)
    assert pod_state(deleted(pod(), grace=2**62)).deletion_asked_at == datetime(2026, 11, 22, 10, 5, 30, tzinfo=UTC)
    assert pod_state(deleted(pod(), ends="no time")).is_deleted


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "yesterday", "", 5, None, []])
def test_a_time_that_is_none_is_not_there(time: object) -> None:
    assert pod_state(pod({"running": {"startedAt": time}})).running_since is None


@pytest.mark.parametrize(
    ("given", "unschedulable", "reason"),
    [
        (pod(), False, None),
        (NO_NODE, True, None),
        (GATED, False, None),
        (pending(), False, None),
        (pod(waiting("ContainerCreating"), "Pending"), False, None),
        (pod(waiting("PodInitializing"), "Pending"), False, None),
        (pod(waiting("ErrImagePull", NOT_FOUND), "Pending"), False, "ErrImagePull"),
        (pod(waiting("ErrImagePull", "pull QPS exceeded"), "Pending"), False, None),
        (pod(waiting("ErrImagePull", "dial tcp 10.0.0.1:443: i/o timeout"), "Pending"), False, None),
        (pod(waiting("ErrImagePull", "429 Too Many Requests - toomanyrequests"), "Pending"), False, None),
        (pod(waiting("ImagePullBackOff", 'Back-off pulling image "a:1"'), "Pending"), False, "ImagePullBackOff"),
        (pod(waiting("InvalidImageName", "couldn't parse image name"), "Pending"), False, "InvalidImageName"),
        (pod(waiting("ErrImageNeverPull", "not present"), "Pending"), False, "ErrImageNeverPull"),
        (pod(waiting("CreateContainerConfigError", 'secret "x" not found'), "Pending"), False,
         "CreateContainerConfigError"),
        (pod(waiting("CreateContainerError", "context deadline exceeded"), "Pending"), False, None),
        (pod(waiting("CrashLoopBackOff", "back-off"), "Running"), False, None),
    ],
)  # fmt: skip
def test_why_a_pod_cannot_start(given: Json, unschedulable: bool, reason: str | None) -> None:
    assert is_unschedulable(given) is unschedulable
    assert cannot_start(given) == reason


def test_a_back_off_tells_by_its_event_whether_it_may_pass() -> None:
    given = pod(waiting("ImagePullBackOff", 'Back-off pulling image "registry/app:1.4"'), "Pending")
    pulled = 'Failed to pull image "registry/app:1.4": '
    assert cannot_start(given, [event("Failed", pulled + NOT_FOUND)]) == "ImagePullBackOff"
    assert cannot_start(given, [event("Failed", pulled + "dial tcp 10.0.0.1:443: i/o timeout")]) is None
    assert cannot_start(given, [event("Failed", 'Failed to pull image "other": i/o timeout')]) == "ImagePullBackOff"


def test_a_container_that_runs_before_can_stand_in_the_way() -> None:
    given = pod(waiting("PodInitializing"), "Pending")
    given["spec"]["initContainers"] = [{"name": "fetch", "image": "fetch:2"}]
    given["status"]["initContainerStatuses"] = [{"name": "fetch", "state": waiting("ErrImagePull", NOT_FOUND)}]
    assert cannot_start(given) == "ErrImagePull"
    assert start_verdict(given, []).words.startswith("the image cannot be pulled: fetch:2: rpc error")


def test_the_newest_pod_comes_first() -> None:
    old, new = pod(), pod()
    new["metadata"] = new["metadata"] | {"name": "new", "creationTimestamp": ASKED}
    assert [state.name for state in newest_first([old, new, None, 7])] == ["new", "oxmq-1-x7k2p"]


# --- The verdict on a failed Job, by what its pod says ---

OWN_FAULT: list[tuple[str, Json, str]] = [
    (
        "memory",
        pod(ended(137, "OOMKilled"), "Failed"),
        "the pod was killed: it used more memory than its limit of 8Gi (OOMKilled, exit code 137).",
    ),
    ("exit code", pod(ended(3), "Failed"), "the program exited with code 3."),
    ("exit code of Windows", pod(ended(3221225477), "Failed"), "the program exited with code 3221225477."),
    ("SIGSEGV", pod(ended(139), "Failed"), "the program was killed by SIGSEGV (exit code 139)."),
    ("SIGABRT", pod(ended(134), "Failed"), "the program was killed by SIGABRT (exit code 134)."),
    ("a rare signal", pod(ended(163), "Failed"), "the program was killed by signal 35 (exit code 163)."),
    (
        "SIGKILL",
        pod(ended(137), "Failed"),
        "the program was killed by SIGKILL (exit code 137), perhaps because it or its node ran out of memory.",
    ),
    (
        "deadline of the pod",
        pod(ended(143), "Failed", reason="DeadlineExceeded", message="Pod was active on the node longer than the …"),
        "the pod ran longer than its deadline and was stopped by the cluster.",
    ),
    (
        "own storage limit",
        pod(
            ended(137, "ContainerStatusUnknown", **UNKNOWN_END), "Failed", reason="Evicted",
            message='Container job exceeded its local ephemeral storage limit "1Gi". ',
        ),
        'the pod was evicted because it used more than its share: Container job exceeded its local ephemeral storage '
        'limit "1Gi".',
    ),
    (
        "own storage limit of the pod",
        pod(
            ended(137), "Failed", reason="Evicted",
            message="Pod ephemeral local storage usage exceeds the total limit of containers 2Gi. ",
        ),
        "the pod was evicted because it used more than its share: Pod ephemeral local storage usage exceeds the total "
        "limit of containers 2Gi.",
    ),
    (
        "own volume",
        pod(ended(137), "Failed", reason="Evicted", message='Usage of EmptyDir volume "a" exceeds the limit "50Mi". '),
        'the pod was evicted because it used more than its share: Usage of EmptyDir volume "a" exceeds the limit '
        '"50Mi".',
    ),
    (
        "more than requested, in the words of old kubelets",
        pod(
            ended(137), "Failed", reason="Evicted",
            message="The node was low on resource: memory. Container job was using 9Gi, which exceeds its request of "
            "8Gi. ",
        ),
        "the pod was evicted because it used more than its share: The node was low on resource: memory. Container job "
        "was using 9Gi, which exceeds its request of 8Gi.",
    ),
    (
        "more than requested, in the words of newer kubelets",
        pod(
            ended(137), "Failed", BY_KUBELET, reason="Evicted",
            message=LOW + "Container job was using 4395616Ki, request is 1Gi, has larger consumption of memory. ",
        ),
        "the pod was evicted because it used more than its share: The node was low on resource: memory. Threshold "
        "quantity: 100Mi, available: 53Mi. Container job was using 4395616Ki, request is 1Gi, has larger consumption "
        "of memory.",
    ),
    (
        "no reason of the node's",
        pod({}, "Failed", reason="SysctlForbidden", message="Pod was rejected: forbidden sysctl"),
        "the pod failed (SysctlForbidden: Pod was rejected: forbidden sysctl).",
    ),
    (
        "memory, and then it was deleted",
        deleted(pod(ended(137, "OOMKilled"), "Failed")),
        "the pod was killed: it used more memory than its limit of 8Gi (OOMKilled, exit code 137).",
    ),
    (
        "it ended by itself before it was drained",
        deleted(pod(ended(3), "Failed", DRAIN)),
        "the program exited with code 3.",
    ),
]  # fmt: skip
DISRUPTED: list[tuple[str, Json, list[Json], str]] = [
    (
        "pressure",
        pod(ended(137), "Failed", BY_KUBELET, reason="Evicted", message=LOW),
        [],
        "the node worker-3 ran short of resources and evicted the pod (The node was low on resource: memory. Threshold "
        "quantity: 100Mi, available: 53Mi).",
    ),
    (
        "pressure, with nothing requested",
        pod(
            ended(137), "Failed", reason="Evicted",
            message="The node was low on resource: memory. Container job was using 9Gi, request is 0, has larger "
            "consumption of memory. ",
        ),
        [],
        "the node worker-3 ran short of resources and evicted the pod (The node was low on resource: memory. Container "
        "job was using 9Gi, request is 0, has larger consumption of memory). It asks for no memory: pods that ask for "
        "what they need are evicted later.",
    ),
    (
        "refused under pressure",
        pod({}, "Failed", reason="Evicted", message="Pod was rejected: The node had condition: [DiskPressure]. "),
        [],
        "the node worker-3 ran short of resources and evicted the pod (Pod was rejected: The node had condition: "
        "[DiskPressure]).",
    ),
    (
        "drain",
        deleted(pod(ended(143, at=LATER), "Failed", DRAIN)),
        [],
        "the node worker-3 was drained while the pod ran (Eviction API: evicting).",
    ),
    (
        "drain, and the pod still ends",
        deleted(pod(None, "Running", DRAIN)),
        [],
        "the node worker-3 was drained while the pod ran (Eviction API: evicting).",
    ),
    (
        "preemption",
        deleted(
            pod(
                None, "Running",
                holds("DisruptionTarget", "PreemptionByScheduler",
                      "default-scheduler: preempting to accommodate a higher priority pod"),
            )
        ),
        [],
        "the pod was preempted: a pod of higher priority needed its place on the node worker-3 (default-scheduler: "
        "preempting to accommodate a higher priority pod).",
    ),
    (
        "preemption by the kubelet",
        pod(ended(137), "Failed", reason="Preempting", message="Preempted in order to admit critical pod"),
        [],
        "the pod was preempted: a system pod needed its place on the node worker-3 (Preempted in order to admit "
        "critical pod).",
    ),
    (
        "taint",
        deleted(
            pod(None, "Running",
                holds("DisruptionTarget", "DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint"))
        ),
        [],
        "the node worker-3 was tainted so that its pods have to go (Taint manager: deleting due to NoExecute taint).",
    ),
    (
        "a silent node",
        deleted(
            pod(
                None, "Running", holds("Ready", status="False"),
                holds("DisruptionTarget", "DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint"),
            )
        ),
        [],
        "the node worker-3 does not answer since 2026-11-22 10:05:00 UTC, and the cluster has given up the pod.",
    ),
    (
        "a silent node, on a server without conditions",
        deleted(pod()),
        [event("NodeNotReady", "Node is not ready"),
         event("TaintManagerEviction", "Marking for deletion Pod jobs/oxmq-1-x7k2p", "Normal")],
        "the node worker-3 does not answer since 2026-11-22 10:04:00 UTC, and the cluster has given up the pod.",
    ),
    (
        "a lost node, on a server of long ago",
        deleted(pod(None, "Unknown", reason="NodeLost", message="Node worker-3 which was running pod is unresponsive")),
        [],
        "the node worker-3 does not answer (Node worker-3 which was running pod is unresponsive).",
    ),
    (
        "preemption, on a server without conditions",
        deleted(pod()),
        [event("Preempted", "Preempted by jobs/urgent on node worker-3", "Normal")],
        "the pod was preempted: a pod of higher priority needed its place on the node worker-3 (Preempted by "
        "jobs/urgent on node worker-3).",
    ),
    (
        "a node that is gone",
        deleted(
            pod(None, "Failed", holds("DisruptionTarget", "DeletionByPodGC", "PodGC: node no longer exists")), 0, ASKED
        ),
        [],
        "the node worker-3 is gone from the cluster, and the pod with it (PodGC: node no longer exists).",
    ),
    (
        "shutdown",
        pod(
            ended(143), "Failed",
            holds("DisruptionTarget", "TerminationByKubelet",
                  "Pod was terminated in response to imminent node shutdown."),
            reason="Terminated", message="Pod was terminated in response to imminent node shutdown.",
        ),
        [],
        "the node worker-3 was shut down while the pod ran (Pod was terminated in response to imminent node shutdown).",
    ),
    (
        "shutdown, on a server without conditions",
        pod(ended(143), "Failed", reason="Shutdown", message="Node is shutting, evicting pods"),
        [],
        "the node worker-3 was shut down while the pod ran (Node is shutting, evicting pods).",
    ),
    (
        "shutdown before it ran",
        pod({}, "Failed", reason="NodeShutdown", message="Pod was rejected as the node is shutting down."),
        [],
        "the node worker-3 was shut down before the pod ran (Pod was rejected as the node is shutting down).",
    ),
    (
        "a node that is full",
        pod({}, "Failed", reason="OutOfcpu",
            message="Pod was rejected: Node didn't have enough resource: cpu, requested: 2000, used: 7000"),
        [],
        "the node worker-3 refused the pod that the scheduler gave it: Pod was rejected: Node didn't have enough "
        "resource: cpu, requested: 2000, used: 7000.",
    ),
    (
        "deletion by hand",
        deleted(pod(ended(143, at=LATER), "Failed")),
        [event("Killing", "Stopping container job", "Normal")],
        "the pod was deleted by somebody while it ran.",
    ),
    (
        "deletion by hand, by the clock of a node that is slow",
        deleted(pod(ended(143), "Failed")),
        [],
        "the pod was deleted by somebody while it ran.",
    ),
    ("deletion by hand before it ran", deleted(NO_NODE), [], "the pod was deleted by somebody before it ran."),
    (
        "a reason of tomorrow's",
        deleted(pod(None, "Running", holds("DisruptionTarget", "{node}", "as it {pleases}"))),
        [],
        "the cluster took the pod away ({node}) (as it {pleases}).",
    ),
]  # fmt: skip
LOST: list[tuple[str, Json, list[Json], str]] = [
    (
        "a container that nobody knows any more",
        pod(ended(137, "ContainerStatusUnknown", **UNKNOWN_END), "Failed"),
        [event("NodeNotReady", "Node is not ready")],
        "the node worker-3 lost the program's container and cannot say how it ended. The cluster says: NodeNotReady: "
        "Node is not ready",
    ),
    (
        "an unknown phase",
        pod(None, "Unknown"),
        [],
        "the cluster cannot say how the pod is: the node worker-3 does not answer.",
    ),
    (
        "a pod that does not say",
        pod(),
        [event("BackoffLimitExceeded", "Job has reached the specified backoff limit")],
        "the Job failed (BackoffLimitExceeded: Job has reached the specified backoff limit), and its pods do not say "
        "why.",
    ),
]


@pytest.mark.parametrize(("given", "words"), [pytest.param(*rest, id=name) for name, *rest in OWN_FAULT])
def test_the_programs_own_fault(given: Json, words: str) -> None:
    found = verdict(failed(), [given], [], "", SPEC)
    assert found is not None
    assert (found.kind, found.words, found.retriable) == ("failed", words, True)
    assert pod_verdict(given, [], "", SPEC) == found


@pytest.mark.parametrize(("given", "events", "words"), [pytest.param(*rest, id=name) for name, *rest in DISRUPTED])
def test_what_is_not_the_programs_fault(given: Json, events: list[Json], words: str) -> None:
    found = verdict(failed(), [given], events, "interrupted\n", SPEC)
    assert found is not None
    assert (found.kind, found.words) == ("disrupted", words)
    assert pod_verdict(given, events, "interrupted\n", SPEC) == found


@pytest.mark.parametrize(("given", "events", "words"), [pytest.param(*rest, id=name) for name, *rest in LOST])
def test_what_nobody_can_tell(given: Json, events: list[Json], words: str) -> None:
    found = verdict(failed(), [given], events, "", SPEC)
    assert found is not None
    assert (found.kind, found.words.removesuffix(".")) == ("lost", words.removesuffix("."))


INTERRUPTED = deleted(pod(ended(0, "Completed", LATER), "Succeeded", DRAIN))


@pytest.mark.parametrize(
    ("pods", "spec", "kind"),
    [
        ([], SPEC, "succeeded"),
        ([pod(ended(0, "Completed"), "Succeeded")], SPEC, "succeeded"),
        ([deleted(pod(ended(0, "Completed"), "Succeeded", DRAIN))], SPEC, "succeeded"),
        ([INTERRUPTED], SPEC, "disrupted"),
        ([INTERRUPTED], Kubernetes(command=["render"]), "succeeded"),
    ],
)
def test_a_complete_job_has_succeeded_unless_its_task_was_interrupted(
    pods: list[Json], spec: Kubernetes, kind: str
) -> None:
    found = verdict(job(holds("Complete")), pods, [], "", spec)
    assert found is not None
    assert found.kind == kind


def test_a_program_that_had_ended_well_before_its_pod_was_deleted_has_ended_well() -> None:
    found = pod_verdict(deleted(pod(ended(0, "Completed"), "Succeeded", DRAIN)), [], "", SPEC)
    assert found is not None
    assert found.kind == "succeeded"
    late = pod_verdict(deleted(pod(ended(0, "Completed", LATER), "Succeeded", DRAIN)), [], "", SPEC)
    assert late is not None
    assert late.kind == "disrupted"


@pytest.mark.parametrize(
    "given", [job(), job(active=1), job(holds("Suspended")), job(holds("FailureTarget", "DeadlineExceeded")), {}, None]
)
def test_there_is_no_verdict_before_the_end(given: object) -> None:
    assert verdict(given, [pod(ended(3), "Failed")], [], "", SPEC) is None


@pytest.mark.parametrize("given", [pod(), NO_NODE, pod(None, "Running", DRAIN), pod(waiting("ErrImagePull")), {}, None])
def test_there_is_no_verdict_on_a_pod_that_may_end_well(given: object) -> None:
    assert pod_verdict(given, [], "", SPEC) is None


def test_a_job_that_is_being_deleted_is_lost() -> None:
    found = verdict(deleted(job(active=1)), [deleted(pod())], [], "step 3\n", SPEC)
    assert found is not None
    assert (found.kind, found.words) == ("lost", "the Job was deleted before it had ended.\nIts last lines:\nstep 3")


DEADLINE = failed("DeadlineExceeded", "Job was active longer than specified deadline")


@pytest.mark.parametrize(
    ("pods", "words"),
    [
        (
            [deleted(pod(ended(143, at=LATER), "Failed"))],
            "the pod ran longer than its deadline of 2 hours 1 minute and was stopped by the cluster.",
        ),
        ([], "the Job took longer than its deadline of 2 hours 1 minute and was stopped by the cluster."),
        (
            [deleted(NO_NODE)],
            "no node could take the pod in 2 hours 1 minute: 0/3 nodes are available: 3 Insufficient memory. "
            "preemption: 0/3 nodes are available. That was its deadline, and the cluster stopped it.",
        ),
    ],
)
def test_the_deadline_of_the_job(pods: list[Json], words: str) -> None:
    found = verdict(DEADLINE, pods, [], "", SPEC)
    assert found is not None
    assert (found.kind, found.words) == ("failed", words)


def test_a_failed_job_without_pods() -> None:
    found = verdict(failed(), [], [event("FailedCreate", "Error creating: exceeded quota", count=4)], "", SPEC)
    assert found is not None
    assert found.kind == "lost"
    assert found.words.startswith(
        "the Job failed (BackoffLimitExceeded: Job has reached the specified backoff limit), and its pod is gone: "
        "nobody can say why. The cluster says: FailedCreate: Error creating: exceeded quota (4 times)"
    )
    bare = verdict(job(holds("Failed")), None, None, "", SPEC)
    assert bare is not None
    assert bare.words == "the Job failed (with no reason given), and its pod is gone: nobody can say why."


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Pod jobs/x has condition DisruptionTarget matching FailJob rule at index 0", "disrupted"),
        ("Container job for pod jobs/x failed with exit code 42 matching FailJob rule at index 0", "failed"),
    ],
)
def test_the_rules_of_a_job_whose_pod_is_gone(message: str, kind: str) -> None:
    found = verdict(failed("PodFailurePolicy", message), [], [], "", SPEC)
    assert found is not None
    assert found.kind == kind


def test_an_older_pod_tells_where_the_newest_knows_nothing() -> None:
    new = pod()
    new["metadata"] = new["metadata"] | {"creationTimestamp": ASKED}
    found = verdict(failed(), [new, pod(ended(137, "OOMKilled"), "Failed")], [], "", SPEC)
    assert found is not None
    assert found.words.startswith("the pod was killed: it used more memory")


def test_the_limit_is_the_pods_own_then_the_tasks_then_the_nodes() -> None:
    given = pod(ended(137, "OOMKilled"), "Failed")
    given["spec"]["containers"][0]["resources"] = {}
    named = verdict(failed(), [given], [], "", SPEC)
    unnamed = verdict(failed(), [given], [], "", Kubernetes())
    assert named is not None
    assert unnamed is not None
    assert "than its limit of 8Gi (" in named.words
    assert "than its node had to give; the task declares no memory (OOMKilled, exit code 137)" in unnamed.words


@pytest.mark.parametrize(
    ("message", "retriable"),
    [
        ('exec: "render": executable file not found in $PATH: unknown', False),
        ("exec /app/run: exec format error", False),
        ("failed to create containerd task: failed to create shim task: OCI runtime create failed: resource", True),
    ],
)
def test_a_program_that_could_not_be_started(message: str, retriable: bool) -> None:
    found = verdict(failed(), [pod(ended(128, "StartError", message=message), "Failed")], [], "", SPEC)
    assert found is not None
    assert (found.kind, found.retriable) == ("failed", retriable)
    assert found.words == f"the program could not be started: {message}."


def test_other_containers_that_failed_the_pod() -> None:
    beside = pod(ended(0, "Completed"), "Failed")
    beside["status"]["containerStatuses"].append({"name": "proxy", "state": ended(1)})
    before = pod(waiting("PodInitializing"), "Failed")
    before["status"]["initContainerStatuses"] = [{"name": "fetch", "state": ended(137, "OOMKilled")}]
    for one, words in (
        (beside, "the pod failed because its container proxy exited with code 1."),
        (before, "the pod failed because its container fetch used more memory than it may."),
    ):
        found = verdict(failed(), [one], [], "", SPEC)
        assert found is not None
        assert (found.kind, found.words) == ("failed", words)


def test_sidecars_that_are_stopped_with_the_pod_are_not_to_blame() -> None:
    given = pod(ended(3), "Failed")
    given["status"]["initContainerStatuses"] = [{"name": "mesh", "state": ended(143, at=LATER)}]
    found = verdict(failed(), [given], [], "", SPEC)
    assert found is not None
    assert found.words == "the program exited with code 3."


def test_the_last_lines_follow_a_failure() -> None:
    log = "".join(f"line {number}\r\n" for number in range(30)) + "\x1b[31mno disk\x1b[0m\tleft\u202e\ud800\n\n"
    found = verdict(failed(), [pod(ended(3, message="a message"), "Failed")], [], log, SPEC)
    assert found is not None
    first, second, *lines = found.words.split("\n")
    assert (first, second, len(lines)) == ("the program exited with code 3.", "Its last lines:", 20)
    assert lines[0] == "line 11"
    assert lines[-1] == r"\x1b[31mno disk\x1b[0m    left\u202e\ud800"


def test_what_the_program_left_follows_where_it_wrote_nothing() -> None:
    found = verdict(failed(), [pod(ended(3, message="no such month\n"), "Failed")], [], "", SPEC)
    assert found is not None
    assert found.words == "the program exited with code 3.\nIt left this message:\nno such month"


# --- Why a pod does not start ---


@pytest.mark.parametrize(
    ("state", "events", "words", "retriable"),
    [
        (waiting("ErrImagePull", NOT_FOUND), [], f"the image cannot be pulled: registry/app:1.4: {NOT_FOUND}", True),
        (
            waiting("ImagePullBackOff", 'Back-off pulling image "registry/app:1.4"'),
            [event("BackOff", 'Back-off pulling image "registry/app:1.4"', "Normal", LATER),
             event("Failed", "Error: ErrImagePull", at=ASKED),
             event("Failed", f'Failed to pull image "registry/app:1.4": {NOT_FOUND}')],
            f"the image cannot be pulled: registry/app:1.4: {NOT_FOUND}",
            True,
        ),
        (
            waiting("ImagePullBackOff", f'Back-off pulling image "registry/app:1.4": ErrImagePull: {NOT_FOUND}'),
            [],
            f"the image cannot be pulled: registry/app:1.4: ErrImagePull: {NOT_FOUND}",
            True,
        ),
        (
            waiting("ImagePullBackOff", 'Back-off pulling image "registry/app:1.4"'),
            [],
            'the image cannot be pulled: registry/app:1.4: Back-off pulling image "registry/app:1.4"',
            True,
        ),
        (
            waiting("InvalidImageName", 'Failed to apply default image tag "A:b": couldn\'t parse image name'),
            [],
            "this is no valid name of an image: registry/app:1.4: Failed to apply default image tag \"A:b\": couldn't "
            "parse image name",
            False,
        ),
        (
            waiting("CreateContainerConfigError", 'secret "oxmq" not found'),
            [],
            'the container job cannot be started (CreateContainerConfigError): secret "oxmq" not found',
            True,
        ),
        (
            waiting("CreateContainerConfigError", "container has runAsNonRoot, image will run as root"),
            [],
            "the container job cannot be started (CreateContainerConfigError): container has runAsNonRoot, image will "
            "run as root",
            False,
        ),
    ],
)  # fmt: skip
def test_the_words_for_a_pod_that_cannot_start(state: Json, events: list[Json], words: str, retriable: bool) -> None:
    found = start_verdict(pod(state, "Pending"), events)
    assert (found.kind, found.retriable) == ("failed", retriable)
    assert found.words.startswith(words)


@pytest.mark.parametrize(
    ("given", "events", "words"),
    [
        (
            NO_NODE,
            [event("FailedScheduling", UNSCHEDULABLE, count=9)],
            "no node could take the pod in 10 minutes: 0/3 nodes are available: 3 Insufficient memory. preemption: 0/3 "
            "nodes are available.",
        ),
        (
            GATED,
            [],
            "the pod was held back for 10 minutes by its scheduling gates: Scheduling is blocked due to non-empty "
            "gates.",
        ),
        (pending(), [], "no scheduler has looked at the pod in 10 minutes."),
        (
            pod(waiting("ErrImagePull", "pull QPS exceeded"), "Pending"),
            [],
            "the pod did not start in 10 minutes: the image cannot be pulled: registry/app:1.4: pull QPS exceeded.",
        ),
        (
            pod(waiting("ContainerCreating"), "Pending"),
            [event("FailedMount", 'MountVolume.SetUp failed for volume "v" : secret "s" not found', count=12)],
            "the pod was given to the node worker-3 but did not start in 10 minutes (ContainerCreating). The cluster "
            'says: FailedMount: MountVolume.SetUp failed for volume "v" : secret "s" not found (12 times).',
        ),
        (
            None,
            [event("FailedCreate", 'Error creating: pods "x" is forbidden: exceeded quota: q')],
            'the cluster has made no pod in 10 minutes. The cluster says: FailedCreate: Error creating: pods "x" is '
            "forbidden: exceeded quota: q.",
        ),
    ],
)
def test_the_words_for_a_pod_that_waits_too_long(given: object, events: list[Json], words: str) -> None:
    assert pending_words(given, events, 600) == words


def test_the_words_for_a_step_before_that_fails_again_and_again() -> None:
    given = pod(waiting("PodInitializing"), "Pending")
    given["status"]["initContainerStatuses"] = [
        {"name": "fetch", "state": waiting("CrashLoopBackOff", "back-off"), "lastState": ended(2)}
    ]
    assert pending_words(given, [], 90) == (
        "the pod did not start in 1 minute 30 seconds: its container fetch exited with code 2."
    )


# --- The words for what is gone or silent ---


def test_the_words_for_a_job_that_is_gone() -> None:
    gone = "the Job oxmq-1 is gone from the cluster: it was deleted before it had told its outcome"
    assert missing_words("oxmq-1", [], []) == f"{gone}."
    assert missing_words("oxmq-1", [pod(ended(3), "Failed")], []) == f"{gone}; its program exited with code 3."
    assert missing_words("oxmq-1", [deleted(pod(None, "Running", DRAIN))], []) == (
        f"{gone}; the node worker-3 was drained while the pod ran (Eviction API: evicting)."
    )


def test_the_words_for_a_pod_that_is_silent() -> None:
    silent = "nothing was heard of the program for 2 minutes"
    assert silent_words([], [], 120) == f"{silent}, and its pod is gone."
    assert silent_words([pod()], [], 120) == f"{silent}, though its pod seems to run on the node worker-3."
    assert silent_words([pod(None, "Running", holds("Ready", status="False"))], [], 120) == (
        f"{silent}: the node worker-3 does not answer since 2026-11-22 10:05:00 UTC."
    )
    unready = holds("Ready", "ContainersNotReady", "containers with unready status: [job]", "False")
    assert "does not answer" not in silent_words([pod(None, "Running", unready)], [], 120)


# --- Events, quotes and times ---


def test_events_of_both_forms_are_read_newest_first() -> None:
    newer = {
        "type": "Warning", "reason": "FailedMount", "note": "no volume", "eventTime": "2026-11-22T10:03:00.123456Z",
        "series": {"count": 3, "lastObservedTime": "2026-11-22T10:09:00.000000Z"}, "deprecatedLastTimestamp": None,
    }  # fmt: skip
    read = happenings([event("A", "first", at=CREATED), newer, event("B", "second"), "no event", None])
    assert [(item.reason, item.message, item.count) for item in read] == [
        ("FailedMount", "no volume", 3),
        ("B", "second", 1),
        ("A", "first", 1),
    ]


def test_only_the_newest_two_warnings_that_say_anything_new_are_told() -> None:
    events = [
        event("A", "oldest", at=CREATED), event("B", "known words"), event("C", "two.", at=ASKED),
        event("D", "three\nlines", at=LATER), event("D", "three\nlines", at=LATER), event("E", "fine", "Normal", LATER),
    ]  # fmt: skip
    assert trouble(events, "as these known words are") == " The cluster says: D: three lines; C: two."


def test_quotes_are_one_short_visible_line() -> None:
    assert quote("  a\n b\x00\x1b\u202e. ") == r"a b\x00\x1b\u202e"
    assert len(quote("x" * 10_000)) == 600
    assert quote("x" * 10_000).endswith("…")


def test_the_last_lines_fit_into_four_kib() -> None:
    assert last_lines("") == last_lines("\n\n \n") == ""
    for log in ("€" * 100_000, "\n".join("€" * 300 for _ in range(50)), "\x00" * 9_000, "\t" * 9_000 + "x"):
        assert len(last_lines(log).encode()) <= 4096
        assert last_lines(log).startswith("…")
    assert len(last_lines("\n".join(map(str, range(100)))).split("\n")) == 20


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "no time"), (0.2, "no time"), (1, "1 second"), (90, "1 minute 30 seconds"), (600, "10 minutes"),
        (7260, "2 hours 1 minute"), (90_061, "1 day 1 hour"), (-5, "no time"), (float("nan"), "no time"),
        (float("inf"), "no time"), (1e300, "11574074 days 1 hour"),
    ],
)  # fmt: skip
def test_lengths_of_time(seconds: float, words: str) -> None:
    assert span(seconds) == words


# --- Nothing makes them raise ---

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.sampled_from(hostile.STRINGS),
    st.sampled_from([
        "True", "False", "Failed", "Complete", "Running", "Pending", "Unknown", "Evicted", "OOMKilled", "NodeLost",
        "DisruptionTarget", "PodScheduled", "Ready", "Terminated", "job", "DeadlineExceeded", "ErrImagePull",
        "ImagePullBackOff", "StartError", "ContainerStatusUnknown", "DeletionByTaintManager", "Warning", CREATED, LATER,
        "9999-12-31T23:59:59-23:59", "1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "{node}", "Preempted",
        "NodeNotReady", "Unschedulable", "OutOfcpu", "node shutdown",
    ]),
)  # fmt: skip
NAMES = st.one_of(
    st.text(max_size=5),
    st.sampled_from([
        "metadata", "spec", "status", "conditions", "type", "reason", "message", "phase", "containers", "name", "state",
        "containerStatuses", "initContainerStatuses", "terminated", "waiting", "running", "exitCode", "signal",
        "finishedAt", "startedAt", "lastState", "deletionTimestamp", "deletionGracePeriodSeconds", "lastTransitionTime",
        "nodeName", "resources", "limits", "memory", "image", "count", "series", "lastTimestamp", "creationTimestamp",
        "activeDeadlineSeconds",
    ]),
)  # fmt: skip
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=6), max_leaves=30
)


def mutated(whole: Any) -> st.SearchStrategy[Any]:
    """Return objects like that one, of which any part may be something else."""
    if isinstance(whole, dict):
        named = cast("Json", whole)
        parts = st.fixed_dictionaries({name: mutated(part) for name, part in named.items()})
        return st.one_of(parts, parts, parts, JSON)
    if isinstance(whole, list):
        items = cast("list[object]", whole)
        return st.one_of(st.tuples(*map(mutated, items)).map(list), st.lists(JSON, max_size=2))
    return st.one_of(st.just(whole), st.just(whole), SCALARS)


PODS = st.sampled_from([given for _, given, *_ in (*OWN_FAULT, *DISRUPTED, *LOST)])


def check_all(given: Any, one: Any, events: Any, log: str) -> None:
    """Ask everything, and check that each answer can be stored and shown."""
    pods = [one, given]
    verdicts = [
        verdict(given, pods, events, log, SPEC),
        verdict(given, one, events, log, SPEC),
        pod_verdict(one, events, log, SPEC),
        start_verdict(one, events),
    ]
    told = [found.words for found in verdicts if found is not None]
    told += [pending_words(one, events, 1), silent_words(pods, events, 1), missing_words("x", pods, events)]
    for words in told:
        assert len(words.encode()) < 16_384
        assert all(line.isprintable() for line in words.split("\n"))
    assert cannot_start(one, events) is None or isinstance(cannot_start(one), str)
    assert is_unschedulable(one) in (True, False)


@given(JSON, JSON, JSON, st.text())
def test_arbitrary_json_never_raises(given_job: Any, given_pod: Any, events: Any, log: str) -> None:
    check_all(given_job, given_pod, events, log)


@given(mutated(failed()), PODS.flatmap(mutated), mutated([event("NodeNotReady", "Node is not ready")]), st.text())
def test_broken_objects_never_raise(given_job: Any, given_pod: Any, events: Any, log: str) -> None:
    check_all(given_job, given_pod, events, log)


@pytest.mark.parametrize("text", hostile.STRINGS)
def test_hostile_texts_are_shown(text: str) -> None:
    given = pod(
        ended(3, text, message=text), "Failed", holds("DisruptionTarget", text, text), reason=text, message=text
    )
    given["spec"]["nodeName"] = text
    check_all(failed(text, text), given, [event(text, text)], text)
    check_all(failed(text, text), pod(waiting(text, text)), [event("Failed", text)], text)
