"""Say in words why a cluster took a pod away, when that was not the program's fault."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from oxmq.kubernetes.diagnosis.happenings import happened
from oxmq.kubernetes.diagnosis.pod_state import PodState
from oxmq.kubernetes.diagnosis.quotes import quote
from oxmq.kubernetes.diagnosis.times import moment

#: What the kubelet says where the pod itself took more than it may, for which no drain or pressure is to blame.
_OWN_LIMIT: Final = re.compile(
    r"exceeded its local ephemeral storage limit|[Ee]phemeral local storage usage exceeds|Usage of EmptyDir volume"
)
#: The same for what it has asked for, in the words of older kubelets and newer ones; nothing asked for says nothing.
_OWN_REQUEST: Final = re.compile(
    r"Container \S+ was using \w+, (?:which exceeds its request of|request is) (?!0\b)\w+", re.ASCII
)
_NOTHING_ASKED: Final = re.compile(r"(?:which exceeds its request of|request is) 0\b")
_LOW_ON: Final = re.compile(r"low on resource: ([a-z-]{1,40})", re.ASCII)
#: Reasons for which a node refuses a pod that the scheduler gave it; another node, or another time, may do.
_REFUSALS: Final = frozenset(
    {
        "OutOfcpu", "OutOfmemory", "OutOfephemeral-storage", "OutOfpods", "UnexpectedAdmissionError",
        "UnexpectedPredicateFailureType", "NodeAffinity", "NodePorts", "TopologyAffinityError",
        "VolumeAttachmentLimitExceeded", "UnknownReason",
    }
)  # fmt: skip
_BY_STATUS: Final = {
    "Evicted": "{node} ran short of resources and evicted the pod{said}",
    "Preempting": "the pod was preempted: a system pod needed its place on {node}{said}",
    "NodeLost": "{node} does not answer{since}{said}",
    "NodeShutdown": "{node} was shut down before the pod ran{said}",
    "Shutdown": "{node} was shut down while the pod ran{said}",
}
_BY_CONDITION: Final = {
    "PreemptionByScheduler": "the pod was preempted: a pod of higher priority needed its place on {node}{said}",
    "EvictionByEvictionAPI": "{node} was drained while the pod ran{said}",
    "DeletionByTaintManager": "{node} was tainted so that its pods have to go{said}",
    "DeletionByDeviceTaintManager": "a device of {node} was tainted so that its pods have to go{said}",
    "DeletionByPodGC": "{node} is gone from the cluster, and the pod with it{said}",
    "TerminationByKubelet": "{node} ended the pod{said}",
}
#: What events tell where servers older than 1.26 leave no condition: reason, part of the message, words.
_BY_EVENT: Final = (
    ("Preempted", "", "the pod was preempted: a pod of higher priority needed its place on {node}{said}"),
    ("TaintManagerEviction", "Marking for deletion", "{node} was tainted so that its pods have to go{said}"),
    ("NodeControllerEviction", "Marking for deletion", "{node} does not answer{since}{said}"),
    ("Evicted", "", "{node} ran short of resources and evicted the pod{said}"),
)
#: What nodes say when they are shut down.
_SHUTDOWN: Final = "node shutdown"
_SILENT: Final = "{node} does not answer{since}, and the cluster has given up the pod"


def own_excess(pod: PodState) -> str | None:
    """Return in words how the pod was evicted because it took more than it may, or than it has asked for."""
    if pod.reason != "Evicted":
        return None
    is_own = _OWN_LIMIT.search(pod.message) or _OWN_REQUEST.search(pod.message)
    return f"the pod was evicted because it used more than its share: {quote(pod.message)}" if is_own else None


def disruption(pod: PodState, events: object) -> str | None:
    """Return in words why the cluster took the pod away; None where it did not, as far as pod and events tell.

    A pod that was deleted with no reason given is not told of: a person may have done it, or a drain on an old server.
    """
    return next(_reasons(pod, events), None)


def node_name(pod: PodState) -> str:
    """Return what to call the pod's node."""
    return f"the node {quote(pod.node, 253)}" if pod.node else "its node"


def _reasons(pod: PodState, events: object) -> Iterator[str]:
    """Yield the words for each reason that there is, what tells most first."""
    is_failed = pod.phase in ("Failed", "Unknown") or pod.is_deleted
    if pod.reason in _BY_STATUS and is_failed:
        yield _told(_BY_STATUS[pod.reason], pod, events, pod.message) + _advice(pod)
    if pod.reason in _REFUSALS and not pod.has_started and is_failed:
        told = quote(pod.message) or pod.reason
        yield f"{node_name(pod)} refused the pod that the scheduler gave it: {told}"
    if pod.disruption is not None or is_failed:
        yield from _shutdown(pod)
    yield from _by_condition(pod, events)
    if pod.is_deleted:
        yield from _by_event(pod, events)


def _by_condition(pod: PodState, events: object) -> Iterator[str]:
    if pod.disruption is None:
        return
    reason, message = pod.disruption.reason, pod.disruption.message
    if reason == "DeletionByTaintManager" and _since(pod, events):
        yield _told(_SILENT, pod, events)
    if reason in _BY_CONDITION:
        yield _told(_BY_CONDITION[reason], pod, events, message)
    yield f"the cluster took the pod away ({quote(reason, 80) or 'it does not say why'}){_said(message)}"


def _by_event(pod: PodState, events: object) -> Iterator[str]:
    if _since(pod, events):
        yield _told(_SILENT, pod, events)
    for reason, part, words in _BY_EVENT:
        found = happened(events, reason, part)
        if found is not None:
            yield _told(words, pod, events, found.message)


def _shutdown(pod: PodState) -> Iterator[str]:
    given = pod.message if pod.reason == "Terminated" else pod.disruption.message if pod.disruption else ""
    if _SHUTDOWN in given:
        yield f"{node_name(pod)} was shut down while the pod ran{_said(given)}"


def _told(words: str, pod: PodState, events: object, message: str = "") -> str:
    return words.format(node=node_name(pod), said=_said(message), since=_since(pod, events))


def _said(message: str) -> str:
    return f" ({quote(message)})" if message.strip() else ""


def _since(pod: PodState, events: object) -> str:
    """Return since when the node is silent, as the end of a sentence; empty when nothing says so."""
    noticed = happened(events, "NodeNotReady")
    at = pod.silent_since or (noticed.at if noticed is not None else None)
    return f" since {moment(at)}" if at is not None else ""


def _advice(pod: PodState) -> str:
    low = _LOW_ON.search(pod.message)
    if low is None or not _NOTHING_ASKED.search(pod.message):
        return ""
    return f". It asks for no {low[1]}: pods that ask for what they need are evicted later"
