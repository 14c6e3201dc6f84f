"""Say in words why a pod does not start."""

from __future__ import annotations

import re
from typing import Final

from oxmq.kubernetes.diagnosis.disruptions import node_name
from oxmq.kubernetes.diagnosis.endings import exit_words
from oxmq.kubernetes.diagnosis.happenings import happened, trouble
from oxmq.kubernetes.diagnosis.pod_state import PodState, Waiting, pod_state
from oxmq.kubernetes.diagnosis.quotes import full_stop, quote
from oxmq.kubernetes.diagnosis.times import span

#: Container reasons that speak of the image, with the words for them.
_IMAGE: Final = {
    "ErrImagePull": "the image cannot be pulled",
    "ImagePullBackOff": "the image cannot be pulled",
    "ImageInspectError": "the image cannot be read",
    "ErrImageNeverPull": "the image is not on the node, and the pod may not pull it",
    "InvalidImageName": "this is no valid name of an image",
    "SignatureValidationFailed": "the image's signature is not valid",
}
_RUN_AS: Final = "runAsNonRoot"
_BACK_OFF: Final = re.compile(r'Back-off pulling image "[^"]*"(?:: )?', re.ASCII)
_PULL: Final = re.compile(r'Failed to pull image "[^"]*"(?:: )?', re.ASCII)


def pending_words(pod: object, events: object, seconds: float) -> str:
    """Say why a pod does not run after so many seconds.

    Args:
        pod: the pod; None where the Job has none.
        events: about the pod and its Job.
        seconds: for how long it has been waited for.
    """
    state, waited = pod_state(pod), span(seconds)
    words = not_started(state, events, waited) if pod is not None else f"the cluster has made no pod in {waited}"
    return words + full_stop(words) + trouble(events, words)


def not_started(pod: PodState, events: object, waited: str) -> str:
    """Say why a pod has not started in that length of time, without a full stop."""
    if not pod.is_scheduled:
        return _unscheduled(pod, waited)
    waiting = pod.waiting
    if waiting is not None and waiting.reason not in ("", "ContainerCreating", "PodInitializing"):
        return f"the pod did not start in {waited}: {start_words(waiting, events)}"
    failed = next(iter(pod.others_ended), None)
    if failed is not None:
        return f"the pod did not start in {waited}: its container {quote(failed.container, 63)} {exit_words(failed)}"
    detail = f" ({quote(waiting.reason, 80)})" if waiting is not None and waiting.reason else ""
    return f"the pod was given to {node_name(pod)} but did not start in {waited}{detail}"


def _unscheduled(pod: PodState, waited: str) -> str:
    said = quote(pod.scheduling_message)
    if pod.scheduling_reason == "SchedulingGated":
        return f"the pod was held back for {waited} by its scheduling gates: {said}"
    if said:
        return f"no node could take the pod in {waited}: {said}"
    return f"no scheduler has looked at the pod in {waited}"


def start_words(waiting: Waiting, events: object) -> str:
    """Say why a container cannot start, in the kubelet's words where it has any."""
    if waiting.reason not in _IMAGE:
        said = quote(waiting.message) or quote(waiting.reason, 80)
        return f"the container {quote(waiting.container, 63)} cannot be started ({quote(waiting.reason, 80)}): {said}"
    image = quote(waiting.image, 300)
    said = quote(_image_message(waiting, events))
    return ": ".join(filter(None, (_IMAGE[waiting.reason], image, said)))


def _image_message(waiting: Waiting, events: object) -> str:
    """Return why an image cannot be had: a back-off hides it, on older servers, and an event tells."""
    shown = _BACK_OFF.sub("", waiting.message, count=1)
    if shown.strip() or waiting.reason != "ImagePullBackOff":
        return shown
    cause = happened(events, "Failed", f'pull image "{waiting.image}"')
    return waiting.message if cause is None else _PULL.sub("", cause.message, count=1)


def may_start(waiting: Waiting) -> bool:
    """Return whether another attempt may start.

    An image or a Secret that is missing may appear. A name that is none stays one, and so does an image whose user is
    root where the pod forbids that.
    """
    return waiting.reason != "InvalidImageName" and _RUN_AS not in waiting.message
