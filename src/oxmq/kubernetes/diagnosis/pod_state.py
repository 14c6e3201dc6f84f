"""Read what a pod says of itself: whether it has a node, what it waits for, how it ended.

A pod may hold more containers than the one of the job; what is asked for is the job's, and the others where they stand
in its way.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec import Struct

from oxmq.kubernetes.diagnosis.fields import (
    Fields,
    condition,
    entries,
    entry,
    find,
    instant,
    text,
    true_condition,
    whole,
)
from oxmq.kubernetes.diagnosis.happenings import happened

#: The container of a pod that runs the job; the first one where none has the name.
CONTAINER: Final = "job"
#: Waiting for these is in vain, with what the kubelet says when waiting helps all the same.
_VAIN: Final = frozenset(
    {
        "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError",
        "SignatureValidationFailed", "CreateContainerConfigError", "CreateContainerError", "RunContainerError",
    }
)  # fmt: skip
_PASSING: Final = (
    "pull QPS exceeded", "toomanyrequests", "Too Many Requests", "502 Bad Gateway", "503 Service",
    "504 Gateway", "i/o timeout", "TLS handshake timeout", "connection refused", "connection reset",
    "DeadlineExceeded", "deadline exceeded", "context canceled", "unexpected EOF",
)  # fmt: skip
#: No grace period of sense is longer, in seconds.
_LONGEST_GRACE: Final = 10 * 365 * 86_400


class Waiting(Struct, frozen=True):
    """Hold why a container does not run yet: in one word, and in the kubelet's sentence.

    Attributes:
        is_first: whether it is one of those that run before the job's.
    """

    container: str
    image: str
    reason: str
    message: str
    is_first: bool = False


class Ended(Struct, frozen=True):
    """Hold how a container ended.

    Attributes:
        code: its exit code; above 128 when a signal ended it.
        signal: the signal's number, where the runtime tells.
        reason: such as ``OOMKilled``, ``Error``, ``Completed``.
        message: what the container left in its termination message, or the runtime's complaint.
    """

    container: str
    code: int | None
    signal: int | None
    reason: str
    message: str
    at: datetime | None


class Disruption(Struct, frozen=True):
    """Hold why the cluster takes a pod away: ``PreemptionByScheduler``, ``EvictionByEvictionAPI`` and so on."""

    reason: str
    message: str
    at: datetime | None


class PodState(Struct, frozen=True):
    """Hold what a pod says of itself.

    Attributes:
        name: its name.
        container: the name of the job's container.
        node: the node that it was given; empty when there is none.
        phase: ``Pending``, ``Running``, ``Succeeded``, ``Failed`` or ``Unknown``, as the cluster spells it.
        created_at: when it was made.
        is_scheduled: whether it has a node.
        scheduling_reason: why it has none, in a word: ``Unschedulable``, ``SchedulingGated``.
        scheduling_message: the same in the scheduler's sentence.
        waiting: what the job's container waits for, or one that stands in its way.
        running_since: when the job's container started; None unless it runs.
        ended: how the job's container ended.
        others_ended: the other containers that failed: those before the job's only if it never ran.
        reason: why the whole pod ended, in a word such as ``Evicted``, ``NodeLost``, ``DeadlineExceeded``.
        message: the same in a sentence.
        disruption: why the cluster takes the pod away, as newer servers say.
        deletion_asked_at: when somebody or something asked for its deletion.
        is_deleted: whether that was asked for, also when the time cannot be read.
        silent_since: since when the cluster takes the running pod for not ready, because its node does not answer.
        image: of the job's container.
        memory: the limit of the job's container; empty without one.
    """

    name: str
    container: str
    node: str
    phase: str
    created_at: datetime | None
    is_scheduled: bool
    scheduling_reason: str
    scheduling_message: str
    waiting: Waiting | None
    running_since: datetime | None
    ended: Ended | None
    others_ended: tuple[Ended, ...]
    reason: str
    message: str
    disruption: Disruption | None
    deletion_asked_at: datetime | None
    is_deleted: bool
    silent_since: datetime | None
    image: str
    memory: str

    @property
    def has_started(self) -> bool:
        """Return whether the job's container runs or has run."""
        return self.running_since is not None or self.ended is not None


def pod_state(pod: object) -> PodState:
    """Read a pod; whatever it lacks is taken for not having happened."""
    status = find(pod, "status")
    name = _job_container(pod)
    own = _status_of(status, name)
    ended = _ended(own)
    running = instant(own, "state", "running", "startedAt")
    scheduling = condition(status, "PodScheduled")
    node = text(pod, "spec", "nodeName")
    container = _spec_of(pod, name)
    return PodState(
        name=text(pod, "metadata", "name"),
        container=name,
        node=node,
        phase=text(status, "phase"),
        created_at=instant(pod, "metadata", "creationTimestamp"),
        is_scheduled=bool(node) or text(scheduling, "status") == "True",
        scheduling_reason=text(scheduling, "reason"),
        scheduling_message=text(scheduling, "message"),
        waiting=_waiting(pod, name),
        running_since=running,
        ended=ended,
        others_ended=tuple(_others_ended(status, name, is_before=running is None and ended is None)),
        reason=text(status, "reason"),
        message=text(status, "message"),
        disruption=_disruption(status),
        deletion_asked_at=_deletion_asked_at(pod),
        is_deleted=bool(text(pod, "metadata", "deletionTimestamp")),
        silent_since=_silent_since(status) if running is not None else None,
        image=text(container, "image") or text(own, "image"),
        memory=text(container, "resources", "limits", "memory"),
    )


def newest_first(pods: object) -> list[PodState]:
    """Read the pods of a list of the API, the newest first."""
    long_ago = datetime.fromtimestamp(0, UTC)
    return sorted(map(pod_state, entries(pods)), key=lambda pod: pod.created_at or long_ago, reverse=True)


def is_unschedulable(pod: object) -> bool:
    """Return whether the scheduler has found no node that can take the pod, so far."""
    state = pod_state(pod)
    return not state.is_scheduled and state.scheduling_reason == "Unschedulable"


def cannot_start(pod: object, events: object = ()) -> str | None:
    """Return the kubelet's reason, such as ``ErrImagePull``, where a pod cannot start and waiting will not help.

    What may pass by itself is no such reason: a registry that is out of reach or limits its clients, a runtime that is
    slow. Of ``ImagePullBackOff``, which hides its cause on older servers, only the pod's events tell that.
    """
    waiting = pod_state(pod).waiting
    if waiting is None or waiting.reason not in _VAIN:
        return None
    cause = happened(events, "Failed", f'pull image "{waiting.image}"') if "Image" in waiting.reason else None
    said = waiting.message if cause is None else f"{waiting.message} {cause.message}"
    return None if any(passing in said for passing in _PASSING) else waiting.reason


def _job_container(pod: object) -> str:
    names = [text(item, "name") for item in entries(find(pod, "spec", "containers"))]
    names = names or [text(item, "name") for item in entries(find(pod, "status", "containerStatuses"))]
    return CONTAINER if CONTAINER in names or not names else names[0]


def _spec_of(pod: object, name: str) -> Fields | None:
    return next((item for item in _specs(pod) if text(item, "name") == name), None)


def _specs(pod: object) -> list[Fields]:
    return [*entries(find(pod, "spec", "containers")), *entries(find(pod, "spec", "initContainers"))]


def _status_of(status: object, name: str) -> Fields | None:
    return next((item for item in entries(find(status, "containerStatuses")) if text(item, "name") == name), None)


def _waiting(pod: object, name: str) -> Waiting | None:
    """Return what stands in the way: of all containers that wait one in vain, else the job's own."""
    found = list(_all_waiting(pod))
    in_vain = (waiting for waiting in found if waiting.reason in _VAIN)
    own = (waiting for waiting in found if waiting.container == name and not waiting.is_first)
    return next(in_vain, None) or next(own, None)


def _all_waiting(pod: object) -> Iterator[Waiting]:
    images = {text(item, "name"): text(item, "image") for item in _specs(pod)}
    for field, is_first in (("initContainerStatuses", True), ("containerStatuses", False)):
        for item in entries(find(pod, "status", field)):
            state, name = entry(item, "state", "waiting"), text(item, "name")
            if state is not None:
                image = images.get(name) or text(item, "image")
                yield Waiting(name, image, text(state, "reason"), text(state, "message"), is_first)


def _ended(item: object) -> Ended | None:
    """Return how a container ended; for one that is to start again, how it did the last time."""
    state = entry(item, "state", "terminated")
    if state is None and entry(item, "state", "waiting") is not None:
        state = entry(item, "lastState", "terminated")
    if state is None:
        return None
    return Ended(
        container=text(item, "name"),
        code=whole(state, "exitCode"),
        signal=whole(state, "signal") or None,
        reason=text(state, "reason"),
        message=text(state, "message"),
        at=instant(state, "finishedAt"),
    )


def _others_ended(status: object, name: str, *, is_before: bool) -> Iterator[Ended]:
    before = entries(find(status, "initContainerStatuses")) if is_before else []
    beside = [item for item in entries(find(status, "containerStatuses")) if text(item, "name") != name]
    for item in (*before, *beside):
        ended = _ended(item)
        if ended is not None and ended.code != 0:
            yield ended


def _disruption(status: object) -> Disruption | None:
    found = true_condition(status, "DisruptionTarget")
    if found is None:
        return None
    return Disruption(text(found, "reason"), text(found, "message"), instant(found, "lastTransitionTime"))


def _deletion_asked_at(pod: object) -> datetime | None:
    """Return when a deletion was asked for: the time in the object is that at which the pod's grace period ends."""
    ends = instant(pod, "metadata", "deletionTimestamp")
    grace = whole(pod, "metadata", "deletionGracePeriodSeconds") or 0
    if ends is None or not 0 <= grace <= _LONGEST_GRACE or ends.year < 1980:
        return ends
    return ends - timedelta(seconds=grace)


def _silent_since(status: object) -> datetime | None:
    # The kubelet itself gives a reason with it; the controller that notices the node's silence changes only the status.
    ready = condition(status, "Ready")
    is_silent = ready is not None and ready.get("status") in ("False", "Unknown") and not text(ready, "reason")
    return instant(ready, "lastTransitionTime") if is_silent else None
