"""Build the Kubernetes Job of a run."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Final, cast

from msgspec import Struct

from oxmq.errors import ConfigurationError, Unrecoverable
from oxmq.executors.child_task import Reference
from oxmq.kubernetes.cluster import Object
from oxmq.kubernetes.diagnosis.pod_state import CONTAINER
from oxmq.kubernetes.naming import Identity
from oxmq.kubernetes.settings import HeavySettings
from oxmq.kubernetes.spec import Kubernetes, read_source

#: Where a program leaves its result: the cluster reads it from there.
RESULT_FILE: Final = "/dev/termination-log"
#: How much of a job's data fits into an environment variable of a program, in bytes: Linux takes 128 KiB.
_MOST_DATA: Final = 100 * 1024
#: What tells that an address of Redis holds a password.
_PASSWORD: Final = re.compile(r"@|[?&]password=", re.IGNORECASE)
#: How much later than the worker the cluster itself stops a pod, in seconds: for when all workers are dead.
_MARGIN: Final = 60


class Work(Struct, frozen=True, kw_only=True):
    """Hold what a run is to do.

    Attributes:
        identity: which run it is.
        reference: where the pod finds the task.
        data: the job's data, as JSON.
    """

    identity: Identity
    reference: Reference
    data: bytes


def build_job(spec: Kubernetes, settings: HeavySettings, work: Work) -> Object:
    """Return the Job object of a run.

    Raises:
        Unrecoverable: the job's data does not fit into the environment of a program.
    """
    identity = work.identity
    metadata = {"labels": identity.labels, "annotations": identity.annotations}
    deadline = None if spec.timeout_seconds is None else spec.pending_seconds + spec.timeout_seconds + _MARGIN
    job: Object = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": identity.name, **metadata},
        "spec": {
            # The queue decides about further attempts.
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            # A pod counts as ended when it has ended, not when it was told to: two runs must not overlap.
            "podReplacementPolicy": "Failed",
            "ttlSecondsAfterFinished": spec.ttl_seconds,
            **({} if deadline is None else {"activeDeadlineSeconds": math.ceil(deadline)}),
            "template": {"metadata": metadata, "spec": _pod(spec, settings, work)},
        },
    }
    # What a Job is found by, and what leaves further attempts to the queue, no patch may change.
    fixed: Object = {
        "metadata": {"name": identity.name, **metadata},
        "spec": {
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            "template": {"metadata": metadata, "spec": {"restartPolicy": "Never"}},
        },
    }
    return cast("Object", merge_patch(merge_patch(job, spec.patch), fixed))


def image_of(spec: Kubernetes, settings: HeavySettings, task: str) -> str:
    """Return the image of a task.

    Raises:
        ConfigurationError: neither the task nor the environment names one.
    """
    image = spec.image or settings.image
    if image is None:
        raise ConfigurationError(
            f"task {task!r} names no image: give it Kubernetes(image=...), or set OXMQ_KUBERNETES_IMAGE"
        )
    return image


def check_server_reachable(spec: Kubernetes, settings: HeavySettings, task: str) -> None:
    """Refuse a task whose pods would not know where Redis is, or to whom everybody could see its password.

    Raises:
        ConfigurationError: that is so.
    """
    url = spec.env.get("OXMQ_URL")
    if spec.command is not None or (url is None and (spec.env_from or settings.env_from)):
        return
    url = url or settings.url
    if url is None or url.startswith("embedded:"):
        raise ConfigurationError(
            f"the pods of task {task!r} would not know where Redis is: set OXMQ_URL for the worker, or give the pods a "
            'Secret with it: Kubernetes(env_from=["secret:NAME"]) or OXMQ_KUBERNETES_ENV_FROM'
        )
    if _PASSWORD.search(url):
        raise ConfigurationError(
            f"OXMQ_URL holds a password, and whoever may read Jobs would see it in those of task {task!r}: put it into "
            'a Secret and name that: Kubernetes(env_from=["secret:NAME"]) or OXMQ_KUBERNETES_ENV_FROM="secret:NAME"'
        )


def merge_patch(target: object, patch: object) -> object:
    """Return `target`, JSON, with a merge patch laid over it (RFC 7396)."""
    if not isinstance(patch, Mapping):
        return patch
    merged: dict[object, object] = {}
    if isinstance(target, Mapping):
        merged.update(cast("Mapping[object, object]", target))
    for name, value in cast("Mapping[object, object]", patch).items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def _pod(spec: Kubernetes, settings: HeavySettings, work: Work) -> Object:
    account = spec.service_account or settings.service_account
    optional: Object = {
        "serviceAccountName": account,
        "imagePullSecrets": [{"name": name} for name in spec.image_pull_secrets],
        "nodeSelector": dict(spec.node_selector),
        "tolerations": [dict(toleration) for toleration in spec.tolerations],
    }
    return {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": spec.grace_seconds,
        # A job talks to Redis, not to the cluster.
        "automountServiceAccountToken": account is not None,
        "containers": [_container(spec, settings, work)],
        **{name: value for name, value in optional.items() if value},
    }


def _container(spec: Kubernetes, settings: HeavySettings, work: Work) -> Object:
    sizes = {
        name: str(value)
        for name, value in {"cpu": spec.cpu, "memory": spec.memory, **spec.resources}.items()
        if value is not None
    }
    container: Object = {
        "name": CONTAINER,
        "image": image_of(spec, settings, work.identity.task),
        "command": list(spec.command) if spec.command is not None else _own_command(spec, work),
        "env": [*_own_variables(spec, settings, work), *_variables(spec.env)],
        "envFrom": _sources((*spec.env_from, *settings.env_from)),
        "resources": {"requests": sizes, "limits": sizes},
        "terminationMessagePath": RESULT_FILE,
        "securityContext": {"allowPrivilegeEscalation": False},
    }
    return {name: value for name, value in container.items() if value}


def _own_command(spec: Kubernetes, work: Work) -> list[str]:
    identity = work.identity
    return [
        "python", "-m", "oxmq", "run-job", f"{work.reference.module}:{work.reference.qualname}",
        f"--queue={_as_it_is(identity.queue)}", f"--job={_as_it_is(identity.job_id)}", f"--run={identity.number}",
        f"--patience={spec.heart_seconds:g}",
    ]  # fmt: skip


def _own_variables(spec: Kubernetes, settings: HeavySettings, work: Work) -> list[Object]:
    if spec.command is not None:
        return _variables(_as_they_are(job_variables(work.identity, work.data, RESULT_FILE)))
    pod = {"name": "OXMQ_POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    known_otherwise = spec.env_from or settings.env_from or "OXMQ_URL" in spec.env
    url = {} if known_otherwise or settings.url is None else {"OXMQ_URL": settings.url}
    own = {"OXMQ_JOB_ADDED": str(work.identity.timestamp), "PYTHONUNBUFFERED": "1", **url}
    return [pod, *_variables(_as_they_are(own))]


def job_variables(identity: Identity, data: bytes, result_file: str) -> dict[str, str]:
    """Return the variables by which a program that knows nothing of oxmq learns about its job.

    Raises:
        Unrecoverable: the data is too large for one.
    """
    if len(data) > _MOST_DATA:
        raise Unrecoverable(
            f"the job's data has {len(data)} bytes, and a program is given at most {_MOST_DATA} in OXMQ_JOB_DATA: "
            "pass a reference to the data instead"
        )
    return {
        "OXMQ_QUEUE": identity.queue,
        "OXMQ_JOB_ID": identity.job_id,
        "OXMQ_JOB_NAME": identity.task,
        "OXMQ_ATTEMPT": str(identity.attempt),
        "OXMQ_JOB_DATA": data.decode(errors="backslashreplace"),
        "OXMQ_RESULT_FILE": result_file,
    }


def _as_they_are(values: Mapping[str, str]) -> dict[str, str]:
    return {name: _as_it_is(value) for name, value in values.items()}


def _as_it_is(value: str) -> str:
    """Return a text in which the cluster finds nothing to expand: it takes ``$(NAME)`` for a variable's value."""
    return value.replace("$", "$$")


def _variables(values: Mapping[str, str]) -> list[Object]:
    return [{"name": name, "value": value} for name, value in values.items()]


def _sources(sources: Sequence[str]) -> list[Object]:
    kinds = {"secret": "secretRef", "configmap": "configMapRef"}
    return [{kinds[kind]: {"name": name}} for kind, name in map(read_source, dict.fromkeys(sources))]
