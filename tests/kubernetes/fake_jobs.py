"""Be the Job controller, and what remains of a node, of the fake cluster: a Job makes a pod, tests drive the pod."""

from __future__ import annotations

import asyncio
import random
import re
import uuid
from collections.abc import Callable
from copy import deepcopy
from typing import Any, Final

from tests.kubernetes.fake_store import Object, Refusal, Store, now

_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL: Final = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_LONGEST_LABEL: Final = 63
_LETTERS: Final = "bcdfghjklmnpqrstvwxz2456789"
_UNREADABLE: Final = 'Job in version "v1" cannot be handled as a Job: json: cannot unmarshal into Go struct field {}'
_WHOLE_NUMBERS: Final = ("backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished")


def check_job(manifest: Object) -> None:
    """Check a Job as the API server does.

    Raises:
        Refusal: 400 for what is no Job, 422 for one that cannot be.
    """
    if (manifest.get("apiVersion"), manifest.get("kind")) != ("batch/v1", "Job"):
        raise Refusal(400, "BadRequest", "the object provided is unrecognized (must be of type Job)")
    template = manifest.get("spec", {}).get("template", {})
    metadata = manifest.get("metadata", {})
    faults = [*_faults_of_name(metadata), *_faults_of_labels("metadata", metadata)]
    faults += _faults_of_labels("spec.template.metadata", template.get("metadata", {}))
    faults += _faults_of_numbers(manifest.get("spec", {}))
    faults += _faults_of_pod(template.get("spec", {}))
    if faults:
        named = metadata.get("name", "")
        raise Refusal(422, "Invalid", f'Job.batch "{named}" is invalid: {faults[0] if len(faults) == 1 else faults}')


def _faults_of_name(metadata: Object) -> list[str]:
    name = metadata.get("name", "")
    if not name:
        return ["metadata.name: Required value: name or generateName is required"]
    if not _NAME.fullmatch(name):
        return [f'metadata.name: Invalid value: "{name}": a lowercase RFC 1123 subdomain must consist of lower case']
    if len(name) > _LONGEST_LABEL:
        return [f'spec.template.labels: Invalid value: "{name}": must be no more than {_LONGEST_LABEL} characters']
    return []


def _faults_of_labels(place: str, metadata: Object) -> list[str]:
    for kind in ("labels", "annotations"):
        values: Object = metadata.get(kind) or {}
        for value in values.values():
            if not isinstance(value, str):
                raise Refusal(400, "BadRequest", _UNREADABLE.format(f"ObjectMeta.{kind} of type string"))
    labels: dict[str, str] = metadata.get("labels") or {}
    return [
        f'{place}.labels: Invalid value: "{value}": a valid label must be an empty string or consist of alphanumeric'
        for value in labels.values()
        if not _LABEL.fullmatch(value) or len(value) > _LONGEST_LABEL
    ]


def _faults_of_numbers(spec: Object) -> list[str]:
    faults: list[str] = []
    for field in _WHOLE_NUMBERS:
        value = spec.get(field, 0)
        if not isinstance(value, int):
            raise Refusal(400, "BadRequest", _UNREADABLE.format(f"JobSpec.{field} of type int64"))
        if value < 0:
            faults.append(f"spec.{field}: Invalid value: {value}: must be greater than or equal to 0")
    return faults


def _faults_of_pod(spec: Object) -> list[str]:
    faults: list[str] = []
    containers: list[Object] = spec.get("containers") or []
    if not containers:
        faults.append("spec.template.spec.containers: Required value")
    for index, container in enumerate(containers):
        place = f"spec.template.spec.containers[{index}]"
        faults += [f"{place}.{field}: Required value" for field in ("name", "image") if not container.get(field)]
        variables: list[Object] = container.get("env") or []
        if not all(isinstance(variable.get("value", ""), str) for variable in variables):
            raise Refusal(400, "BadRequest", _UNREADABLE.format("EnvVar.value of type string"))
    if spec.get("restartPolicy") not in ("Never", "OnFailure"):
        faults.append('spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"')
    return faults


class FakeJobs:
    """Jobs and their pods, in a store.

    Methods that name a Job mean its newest pod that has not ended. All work is done when they return; only
    ``ttlSecondsAfterFinished`` and ``activeDeadlineSeconds`` take their time.
    """

    def __init__(self) -> None:
        self.store = Store()
        self._timers: set[asyncio.TimerHandle] = set()
        self._failures: dict[str, int] = {}
        self._events = 0
        #: What pods have written, by pod name.
        self.logs: dict[str, str] = {}
        #: True while Jobs are kept and nothing comes of them.
        self.paused = False

    def forget_plans(self) -> None:
        """Forget what was to happen later."""
        for timer in self._timers:
            timer.cancel()

    def keep_job(self, namespace: str, manifest: Object) -> Object:
        """Keep a checked Job and return it as it was stored; its pod is there, too."""
        asked = manifest["metadata"]
        metadata = {key: asked[key] for key in ("name", "labels", "annotations") if key in asked}
        metadata |= {"namespace": namespace, "uid": str(uuid.uuid4())}
        labels = {"controller-uid": metadata["uid"], "job-name": metadata["name"]}
        labels |= {f"batch.kubernetes.io/{key}": value for key, value in labels.items()}
        template = dict(manifest["spec"]["template"])
        template["metadata"] = dict(template.get("metadata", {}))
        template["metadata"]["labels"] = {**template["metadata"].get("labels", {}), **labels}
        spec = {"parallelism": 1, "completions": 1, "backoffLimit": 6, **manifest["spec"], "template": template}
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec, "status": {}}
        stored = self.store.add("jobs", job)
        if not self.paused:
            self._start(deepcopy(stored))
        return stored

    def delete_job(self, name: str, namespace: str | None = None, policy: str = "Background") -> None:
        """Delete the Job, and its pods unless they are to be orphans."""
        job = self.job(name, namespace)
        self.store.remove("jobs", job)
        for pod in self._pods(job):
            if policy == "Orphan":
                del pod["metadata"]["ownerReferences"]
                self.store.put("pods", pod)
            else:
                self.store.remove("pods", pod)

    def job(self, name: str, namespace: str | None = None) -> Object:
        """Return the Job of that name; in whichever namespace when none is given."""
        found = self.store.listed("jobs", namespace, lambda job: job["metadata"]["name"] == name)
        if len(found) != 1:
            raise LookupError(f"{len(found)} jobs are named {name}")
        return found[0]

    def pod(self, job: str) -> Object:
        """Return the newest pod of a Job."""
        return self._pods(self.job(job))[-1]

    def set_running(self, job: str) -> None:
        """Let the Job's pod run."""
        pod = self.pod(job)
        self._state(pod, "Running", {"running": {"startedAt": now()}})

    def waiting(self, job: str, reason: str, message: str = "") -> None:
        """Let the container wait for a reason such as ``ImagePullBackOff``."""
        pod = self.pod(job)
        self._state(pod, "Pending", {"waiting": {"reason": reason, "message": message}})

    def unschedulable(self, job: str, message: str = "0/1 nodes are available: 1 Insufficient cpu.") -> None:
        """Find no node for the pod."""
        pod = self.pod(job)
        _set_condition(pod, "PodScheduled", "False", "Unschedulable", message)
        self.store.put("pods", pod)
        self.add_event(pod, "FailedScheduling", message, kind="Warning")

    def finish(self, job: str, exit_code: int = 0, reason: str | None = None, message: str | None = None) -> None:
        """End the program; `message` is what it wrote to its termination log."""
        pod = self.pod(job)
        ending = _ending(pod, exit_code, reason or ("Error" if exit_code else "Completed"))
        if message is not None:
            ending["message"] = message
        self._state(pod, "Failed" if exit_code else "Succeeded", {"terminated": ending})
        self._ended(job, failed=exit_code != 0)

    def evict(self, job: str, message: str = "The node was low on resource: memory.") -> None:
        """Let the node put the pod out."""
        pod = self.pod(job)
        pod["status"] |= {"reason": "Evicted", "message": message}
        self._state(pod, "Failed", {"terminated": _ending(pod, 137, "Error")})
        self.add_event(pod, "Evicted", message, kind="Warning")
        self._ended(job, failed=True)

    def disrupt(self, job: str, message: str = "Taint manager: deleting due to NoExecute taint") -> None:
        """Let the cluster take the pod away, as for a drain; the pod says so, as on servers since 1.26."""
        pod = self.pod(job)
        pod["status"]["phase"] = "Failed"
        pod["metadata"]["deletionTimestamp"] = now()
        _set_condition(pod, "DisruptionTarget", "True", "DeletionByTaintManager", message)
        self.store.put("pods", pod)
        self._ended(job, failed=not _ignores_disruption(self.job(job)))

    def delete_pod(self, job: str) -> None:
        """Delete the pod by hand: it counts as failed."""
        self.store.remove("pods", self.pod(job))
        self._ended(job, failed=True)

    def lose_node(self, job: str) -> None:
        """Let the pod's node fall silent: the pod is to go and shows no end, and another one is made."""
        pod = self.pod(job)
        pod["metadata"]["deletionTimestamp"] = now()
        self.store.put("pods", pod)
        self._ended(job, failed=False)

    def set_log(self, job: str, text: str) -> None:
        """Let the pod have written something."""
        self.logs[self.pod(job)["metadata"]["name"]] = text

    def log_of(self, pod: Object, container: str | None) -> str:
        """Return what a pod has written.

        Raises:
            Refusal: 400, it has not started, or has not that container.
        """
        name = pod["metadata"]["name"]
        names = [each["name"] for each in pod["spec"]["containers"]]
        if container is None and len(names) > 1:
            choice = f"choose one of: {names}"
            raise Refusal(400, "BadRequest", f"a container name must be specified for pod {name}, {choice}")
        if container not in (None, *names):
            raise Refusal(400, "BadRequest", f"container {container} is not valid for pod {name}")
        if pod["status"]["phase"] == "Pending":
            waits = f'container "{container or names[0]}" in pod "{name}" is waiting to start: ContainerCreating'
            raise Refusal(400, "BadRequest", waits)
        return self.logs.get(name, "")

    def add_event(self, about: Object, reason: str, message: str, *, kind: str = "Normal") -> None:
        """Note something about an object."""
        self._events += 1
        meant = {key: about["metadata"][key] for key in ("name", "namespace", "uid")}
        time = now()
        self.store.add(
            "events",
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"name": f"{meant['name']}.{self._events:x}", "namespace": meant["namespace"]},
                "involvedObject": {"apiVersion": about["apiVersion"], "kind": about["kind"], **meant},
                "type": kind,
                "reason": reason,
                "message": message,
                "count": 1,
                "firstTimestamp": time,
                "lastTimestamp": time,
            },
        )

    def _start(self, job: Object) -> None:
        job["status"]["startTime"] = now()
        self._make_pod(job)
        self._count(job)
        deadline = job["spec"].get("activeDeadlineSeconds")
        if deadline is not None:
            self._later(deadline, lambda: self._expire(job))

    def _make_pod(self, job: Object) -> None:
        template, owner = job["spec"]["template"], job["metadata"]
        reference = {"apiVersion": "batch/v1", "kind": "Job", "name": owner["name"], "uid": owner["uid"]}
        metadata: Object = {
            **template["metadata"],
            "name": f"{owner['name']}-{''.join(random.choices(_LETTERS, k=5))}",
            "namespace": owner["namespace"],
            "ownerReferences": [{**reference, "controller": True, "blockOwnerDeletion": True}],
        }
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
        self.store.add("pods", {**pod, "status": {"phase": "Pending", "conditions": []}})
        self.add_event(job, "SuccessfulCreate", f"Created pod: {metadata['name']}")

    def _state(self, pod: Object, phase: str, state: Object) -> None:
        """Set what the pod's first container does; any others are taken for side-cars that do the same."""
        _set_condition(pod, "PodScheduled", "True")
        pod["spec"]["nodeName"] = "fake-node"
        status = pod["status"]
        status["phase"] = phase
        if phase != "Pending":
            status.setdefault("startTime", now())
        status["containerStatuses"] = [
            {
                "name": container["name"],
                "image": container["image"],
                "ready": phase == "Running",
                "restartCount": 0,
                "state": state,
            }
            for container in pod["spec"]["containers"]
        ]
        self.store.put("pods", pod)

    def _ended(self, name: str, *, failed: bool) -> None:
        """Do what the controller does after a pod has ended."""
        job = self.job(name)
        uid = job["metadata"]["uid"]
        self._failures[uid] = self._failures.get(uid, 0) + failed
        if any(pod["status"]["phase"] == "Succeeded" for pod in self._pods(job)):
            self._end(job, "Complete", "CompletionsReached", "Reached expected number of succeeded pods")
        elif self._failures[uid] > job["spec"]["backoffLimit"]:
            self._end(job, "Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
        elif not any(_is_active(pod) for pod in self._pods(job)):
            self._make_pod(job)
            self._count(job)
        else:
            self._count(job)

    def _expire(self, job: Object) -> None:
        current = self._same(job)
        if current is None or current["status"].get("conditions"):
            return
        for pod in self._pods(current):
            if _is_active(pod):
                self._failures[current["metadata"]["uid"]] = self._failures.get(current["metadata"]["uid"], 0) + 1
                self.store.remove("pods", pod)
        self._end(current, "Failed", "DeadlineExceeded", "Job was active longer than specified deadline")

    def _end(self, job: Object, condition: str, reason: str, message: str) -> None:
        _set_condition(job, condition, "True", reason, message)
        if condition == "Complete":
            job["status"]["completionTime"] = now()
        self._count(job)
        self.add_event(job, reason, message, kind="Normal" if condition == "Complete" else "Warning")
        ttl = job["spec"].get("ttlSecondsAfterFinished")
        if ttl is not None:
            self._later(ttl, lambda: self._remove(job))

    def _remove(self, job: Object) -> None:
        if self._same(job) is not None:
            self.delete_job(job["metadata"]["name"], job["metadata"]["namespace"])

    def _count(self, job: Object) -> None:
        pods = self._pods(job)
        counts = {
            "active": sum(_is_active(pod) for pod in pods),
            "succeeded": sum(pod["status"]["phase"] == "Succeeded" for pod in pods),
            "failed": self._failures.get(job["metadata"]["uid"], 0),
        }
        status = {key: value for key, value in job["status"].items() if key not in counts}
        job["status"] = status | {key: value for key, value in counts.items() if value}
        self.store.put("jobs", job)

    def _pods(self, job: Object) -> list[Object]:
        uid, namespace = job["metadata"]["uid"], job["metadata"]["namespace"]
        return self.store.listed("pods", namespace, lambda pod: uid in _owners(pod))

    def _same(self, job: Object) -> Object | None:
        current = self.store.find("jobs", job["metadata"]["namespace"], job["metadata"]["name"])
        return current if current and current["metadata"]["uid"] == job["metadata"]["uid"] else None

    def _later(self, seconds: float, act: Callable[[], Any]) -> None:
        self._timers.add(asyncio.get_running_loop().call_later(seconds, act))


def _ending(pod: Object, exit_code: int, reason: str) -> Object:
    """Return how a container has ended."""
    started = pod["status"].get("startTime", now())
    return {"exitCode": exit_code, "reason": reason, "startedAt": started, "finishedAt": now()}


def _set_condition(item: Object, kind: str, status: str, reason: str = "", message: str = "") -> None:
    condition = {"type": kind, "status": status, "lastTransitionTime": now(), "lastProbeTime": None}
    condition |= {key: value for key, value in (("reason", reason), ("message", message)) if value}
    others = [each for each in item["status"].get("conditions", ()) if each["type"] != kind]
    item["status"]["conditions"] = [*others, condition]


def _owners(pod: Object) -> list[str]:
    return [owner["uid"] for owner in pod["metadata"].get("ownerReferences", ())]


def _is_active(pod: Object) -> bool:
    return pod["status"]["phase"] in ("Pending", "Running") and "deletionTimestamp" not in pod["metadata"]


def _ignores_disruption(job: Object) -> bool:
    rules = job["spec"].get("podFailurePolicy", {}).get("rules", ())
    return any(
        rule.get("action") == "Ignore"
        and any(pattern.get("type") == "DisruptionTarget" for pattern in rule.get("onPodConditions", ()))
        for rule in rules
    )
