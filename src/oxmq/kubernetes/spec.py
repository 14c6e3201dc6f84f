"""Hold what a task says of the pods that its jobs run in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, cast

import msgspec
from msgspec import Struct

from oxmq.durations import Duration, milliseconds, positive_milliseconds
from oxmq.errors import ConfigurationError
from oxmq.kubernetes.quantities import read_quantity

_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_VARIABLE: Final = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_OBJECT: Final = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
#: Longer than any reference to an image may be.
_LONGEST_IMAGE: Final = 1024
#: Everything that a job's pod needs to know is in variables of these names.
_OWN_VARIABLES: Final = (
    "OXMQ_JOB_ID",
    "OXMQ_JOB_NAME",
    "OXMQ_JOB_DATA",
    "OXMQ_QUEUE",
    "OXMQ_ATTEMPT",
    "OXMQ_RESULT_FILE",
    "OXMQ_JOB_ADDED",
    "OXMQ_POD",
)


class Kubernetes(Struct, frozen=True, kw_only=True):
    """Say that each job of a task runs in a pod of its own, and what that pod is like::

        @app.task(run=Kubernetes(cpu="2", memory="8Gi", timeout="2h"), attempts=2)
        def monthly_report(month: int) -> int: ...

    The pod runs the same function from the same image as the worker, or, with `command`, any program. `cpu` and
    `memory` are both what is requested and the limit. Times are durations.

    Args:
        image: the container image; ``$OXMQ_KUBERNETES_IMAGE`` of the worker when not given.
        command: the program and its arguments, for an image that knows nothing of oxmq. It finds the job in
            ``OXMQ_JOB_ID``, ``OXMQ_JOB_NAME``, ``OXMQ_JOB_DATA`` (JSON), ``OXMQ_QUEUE`` and ``OXMQ_ATTEMPT``, may write
            its result as JSON to the file ``$OXMQ_RESULT_FILE`` (at most 4 KiB), and fails when it exits with
            anything but 0.
        cpu: CPUs, such as ``"500m"`` or ``2``.
        memory: such as ``"8Gi"``. A pod that takes more is killed.
        resources: further requests that are limits too, such as ``{"nvidia.com/gpu": 1}``.
        timeout: how long a pod may run before it is stopped and the attempt fails; None for any time.
        pending_timeout: how long the pod may wait for a node and for its image before the attempt fails.
        namespace: where; ``$OXMQ_KUBERNETES_NAMESPACE``, else the worker's own, when not given.
        env: environment variables of the pod.
        env_from: Secrets and ConfigMaps whose entries become variables: ``"secret:oxmq"``, ``"configmap:settings"``.
        service_account: under which the pod runs; the namespace's default when not given.
        image_pull_secrets: names of Secrets for the image's registry.
        node_selector: labels that the node must have.
        tolerations: of nodes' taints, as the API spells them.
        patch: laid over the Job object at the end as a merge patch (RFC 7396), for all that has no name here.
        grace: how long the program may take to end after SIGTERM before it is killed.
        ttl: how long the finished Job and its pod can be looked at before the cluster deletes them.
        heart_timeout: after so long a silence of a pod that runs the task, it is given up as lost. A pod that cannot
            reach Redis for that long ends by itself.

    Raises:
        ConfigurationError: a value is not acceptable; the message names it.
    """

    image: str | None = None
    command: Sequence[str] | None = None
    cpu: str | float | None = None
    memory: str | int | None = None
    resources: Mapping[str, str | int] = {}
    timeout: Duration | None = "1h"
    pending_timeout: Duration = "10m"
    namespace: str | None = None
    env: Mapping[str, str] = {}
    env_from: Sequence[str] = ()
    service_account: str | None = None
    image_pull_secrets: Sequence[str] = ()
    node_selector: Mapping[str, str] = {}
    tolerations: Sequence[Mapping[str, Any]] = ()
    patch: Mapping[str, Any] = {}
    grace: Duration = 30
    ttl: Duration = "1h"
    heart_timeout: Duration = "2m"

    def __post_init__(self) -> None:
        _check_image(self.image)
        _check_command(self.command)
        _ = self.requests
        for field in ("pending_timeout", "ttl", "heart_timeout"):
            positive_milliseconds(getattr(self, field), field)
        milliseconds(self.grace, "grace")
        if self.timeout is not None:
            positive_milliseconds(self.timeout, "timeout")
        _check_name(self.namespace, "namespace")
        _check_environment(self.env)
        for source in _items(self.env_from, "env_from", 'list such as ["secret:oxmq"]'):
            read_source(source)
        _check_access(self.service_account, self.image_pull_secrets)
        _check_nodes(self.node_selector, self.tolerations)
        _check_patch(self.patch)

    @property
    def requests(self) -> dict[str, Decimal]:
        """Return what the pod needs and may use at most, as numbers."""
        further = _members(self.resources, "resources")
        for name in further:
            if not isinstance(name, str) or name in ("", "cpu", "memory"):
                raise ConfigurationError(f"resources must name further resources, not {name!r:.80}")
        named = {"cpu": self.cpu, "memory": self.memory, **self.resources}
        return {name: read_quantity(value, name) for name, value in named.items() if value is not None}

    @property
    def timeout_seconds(self) -> float | None:
        """Return how long a pod may run; None for any time."""
        return None if self.timeout is None else milliseconds(self.timeout, "timeout") / 1000

    @property
    def pending_seconds(self) -> float:
        """Return how long a pod may wait before it runs."""
        return milliseconds(self.pending_timeout, "pending_timeout") / 1000

    @property
    def grace_seconds(self) -> int:
        """Return how long a program may take to end."""
        return -(-milliseconds(self.grace, "grace") // 1000)  # none must not come of a little: that kills at once

    @property
    def ttl_seconds(self) -> int:
        """Return for how long a finished Job is kept."""
        return max(1, milliseconds(self.ttl, "ttl") // 1000)

    @property
    def heart_seconds(self) -> float:
        """Return after how long a silence a pod is given up."""
        return milliseconds(self.heart_timeout, "heart_timeout") / 1000


def read_source(source: object) -> tuple[str, str]:
    """Return the kind (``secret`` or ``configmap``) and the name of a source of variables.

    Raises:
        ConfigurationError: it is none.
    """
    kind, _, name = source.partition(":") if isinstance(source, str) else ("", "", "")
    if kind not in ("secret", "configmap") or not _OBJECT.fullmatch(name):
        raise ConfigurationError(f'env_from must hold "secret:NAME" or "configmap:NAME", not {source!r:.80}')
    return kind, name


def _check_image(image: object) -> None:
    if image is not None and not (
        isinstance(image, str) and 0 < len(image) <= _LONGEST_IMAGE and not re.search(r"\s", image)
    ):
        raise ConfigurationError(f'image must be a reference such as "registry/app:1.4", not {image!r:.80}')


def _check_command(command: object) -> None:
    if command is None:
        return
    expected = 'list of words such as ["render", "--all"]'
    words = _items(command, "command", expected)
    if not words or not all(isinstance(word, str) for word in words):
        raise ConfigurationError(f"command must be a {expected}, not {command!r:.80}")


def _check_name(name: object, field: str) -> None:
    if name is not None and not (isinstance(name, str) and _LABEL.fullmatch(name)):
        raise ConfigurationError(f"{field} must be 1 to 63 of the characters a-z 0-9 -, not {name!r:.80}")


def _check_access(account: object, secrets: object) -> None:
    if account is not None and not (isinstance(account, str) and _OBJECT.fullmatch(account)):
        raise ConfigurationError(f"service_account must be the name of a ServiceAccount, not {account!r:.80}")
    for secret in _items(secrets, "image_pull_secrets", "list of names of Secrets"):
        if not isinstance(secret, str) or not _OBJECT.fullmatch(secret):
            raise ConfigurationError(f"image_pull_secrets must hold names of Secrets, not {secret!r:.80}")


def _check_nodes(selector: object, tolerations: object) -> None:
    for name, value in _members(selector, "node_selector").items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise ConfigurationError(f"node_selector must map labels to text, not {name!r:.80} to {value!r:.80}")
    for toleration in _items(tolerations, "tolerations", "list of mappings"):
        if not isinstance(toleration, Mapping):
            raise ConfigurationError(f"tolerations must hold mappings, not {toleration!r:.80}")


def _check_patch(patch: object) -> None:
    _members(patch, "patch")
    try:
        msgspec.json.encode(patch)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"patch must be JSON: {error}") from error


def _items(value: object, field: str, expected: str) -> Sequence[object]:
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise ConfigurationError(f"{field} must be a {expected}, not {value!r:.80}")
    return cast("Sequence[object]", value)


def _members(value: object, field: str) -> Mapping[object, object]:
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{field} must be a mapping, not {value!r:.80}")
    return cast("Mapping[object, object]", value)


def _check_environment(env: object) -> None:
    for name, value in _members(env, "env").items():
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name) or not isinstance(value, str):
            raise ConfigurationError(f"env must map names of variables to text, not {name!r:.80} to {value!r:.80}")
        if name in _OWN_VARIABLES:
            raise ConfigurationError(f"env must not hold {name}: it tells the program about its job")
