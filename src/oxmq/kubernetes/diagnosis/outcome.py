"""Say what became of a heavy job's Job, and why, in words that a person understands at once.

Whether a Job is over, its own conditions say; why, the newest of its pods that knows. Nothing here asks the cluster:
what was read of it comes in, of any version, broken or partial, and none of it makes these functions raise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal

from msgspec import Struct

from oxmq.errors import OxmqError, Unrecoverable
from oxmq.kubernetes.diagnosis.disruptions import disruption, node_name, own_excess
from oxmq.kubernetes.diagnosis.endings import exit_facts, exit_words
from oxmq.kubernetes.diagnosis.happenings import trouble
from oxmq.kubernetes.diagnosis.job_state import JobState, job_state
from oxmq.kubernetes.diagnosis.pod_state import Ended, PodState, newest_first, pod_state
from oxmq.kubernetes.diagnosis.quotes import full_stop, last_lines, quote
from oxmq.kubernetes.diagnosis.starting import may_start, not_started, start_words
from oxmq.kubernetes.diagnosis.times import moment, span
from oxmq.kubernetes.spec import Kubernetes

Kind = Literal["succeeded", "failed", "disrupted", "lost"]
"""How a Job ended: ``disrupted`` is not the program's fault; ``lost`` when nobody can tell."""

#: Exit codes of a program that was told to end, or was made to.
_STOPPED: Final = (137, 143)
_UNSTARTABLE: Final = frozenset({"StartError", "ContainerCannotRun", "CreateContainerError"})
#: With these the message is the cluster's, not the program's.
_NOT_ITS_OWN: Final = _UNSTARTABLE | {"ContainerStatusUnknown"}
#: What a runtime says where the image lacks the program: the same image will lack it again.
_NO_PROGRAM: Final = re.compile(
    r"executable file not found|no such file or directory|exec format error|permission denied", re.IGNORECASE
)


class Verdict(Struct, frozen=True):
    """Hold what became of a Job.

    Attributes:
        kind: ``succeeded``, ``failed``, ``disrupted`` (which uses up no attempt) or ``lost``.
        words: a sentence or two; where they help, the last lines of the log after them.
        retriable: whether another attempt may end otherwise.
    """

    kind: Kind
    words: str
    retriable: bool = True


class PodError(OxmqError):
    """Say that the pod of a job failed, and why."""


def failure(found: Verdict) -> OxmqError:
    """Return what a verdict other than success makes of the attempt: a `PodError`, or `Unrecoverable` for the job."""
    return PodError(found.words) if found.retriable else Unrecoverable(found.words)


def verdict(job: object, pods: object, events: object, log: str, spec: Kubernetes) -> Verdict | None:
    """Return what became of a Job; None while it is not over.

    A pod that ended well when it was told to stop has ended well, unless it runs the task: that leaves a result where
    it has one, and is asked about here where it has left none.

    Args:
        job: the Job, as JSON.
        pods: its pods, in any order.
        events: what the cluster tells about the Job and its pods, in any order.
        log: the last lines of its newest pod; empty where there are none.
        spec: what the task says of its pods.
    """
    state, states = job_state(job), newest_first(pods)
    if state.phase == "complete":
        return _interrupted(states, events, spec) or Verdict("succeeded", "the program has ended well")
    if state.is_deleted and state.phase != "failed":
        return Verdict("lost", f"the Job was deleted before it had ended.{trouble(events, '')}{_log(log, states)}")
    if state.phase != "failed":
        return None
    found = _deadline(state, states, events) or _of_pods(states, events, spec) or _of_job(state, states, events)
    return _with_log(found, log, states)


def pod_verdict(pod: object, events: object, log: str, spec: Kubernetes) -> Verdict | None:
    """Return what became of one pod; None while it may still end well.

    For where the Job says nothing: it is gone, or has put another pod in the place of this one.
    """
    state = pod_state(pod)
    is_over = state.ended is not None or state.is_deleted or state.phase in ("Succeeded", "Failed", "Unknown")
    found = _of_pods([state], events, spec) if is_over else None
    if found is None and state.phase == "Succeeded":
        return Verdict("succeeded", "the program has ended well")
    return None if found is None else _with_log(found, log, [state])


def start_verdict(pod: object, events: object) -> Verdict:
    """Return the failure of a pod that `cannot_start`."""
    state = pod_state(pod)
    if state.waiting is None:
        return Verdict("failed", f"the pod cannot start.{trouble(events, '')}")
    words = start_words(state.waiting, events)
    return Verdict("failed", words + trouble(events, words), retriable=may_start(state.waiting))


def silent_words(pods: object, events: object, seconds: float) -> str:
    """Say what is known of a pod that has not been heard of for so many seconds although its Job is active."""
    state = next(iter(newest_first(pods)), None)
    words = f"nothing was heard of the program for {span(seconds)}"
    if state is None:
        return f"{words}, and its pod is gone.{trouble(events, words)}"
    taken = disruption(state, events)
    noticed = state.silent_since
    if taken is None and noticed is not None:
        taken = f"{node_name(state)} does not answer since {moment(noticed)}"
    words = f"{words}: {taken}" if taken else f"{words}, though its pod seems to run on {node_name(state)}"
    return words + full_stop(words) + trouble(events, words)


def missing_words(name: str, pods: object, events: object) -> str:
    """Say what is known of a Job that is not in the cluster any longer, and has left no result.

    Args:
        name: the Job's name.
        pods: the pods of it that are still there.
        events: about the Job and its pods.
    """
    words = f"the Job {quote(name, 253)} is gone from the cluster: it was deleted before it had told its outcome"
    state = next(iter(newest_first(pods)), None)
    if state is not None and state.ended is not None:
        words = f"{words}; its program {exit_words(state.ended)}"
    taken = None if state is None else disruption(state, events)
    words = f"{words}; {taken}" if taken else words
    return f"{words}.{trouble(events, words)}"


def _interrupted(pods: list[PodState], events: object, spec: Kubernetes) -> Verdict | None:
    pod = next(iter(pods), None)
    if spec.command is not None or pod is None or (pod.ended is not None and _ended_by_itself(pod, pod.ended)):
        return None
    taken = disruption(pod, events)
    return None if taken is None else Verdict("disrupted", taken + full_stop(taken))


def _deadline(job: JobState, pods: list[PodState], events: object) -> Verdict | None:
    if job.reason != "DeadlineExceeded":
        return None
    pod, limit = next(iter(pods), None), f" of {span(job.deadline)}" if job.deadline is not None else ""
    if pod is not None and not pod.has_started and job.deadline is not None:
        words = not_started(pod, events, span(job.deadline))
        return Verdict("failed", f"{words}. That was its deadline, and the cluster stopped it")
    ran = "the pod ran longer than its" if pod is not None else "the Job took longer than its"
    return Verdict("failed", f"{ran} deadline{limit} and was stopped by the cluster")


def _of_pods(pods: list[PodState], events: object, spec: Kubernetes) -> Verdict | None:
    """Return what the newest pod says that knows anything."""
    return next((found for pod in pods for found in _of_pod(pod, events, spec)), None)


def _of_pod(pod: PodState, events: object, spec: Kubernetes) -> Iterator[Verdict]:
    """Yield what the pod tells of its end, what tells most first."""
    excess = own_excess(pod)
    if excess is not None:
        yield Verdict("failed", excess)
    if pod.ended is not None and _ended_by_itself(pod, pod.ended):
        yield from _of_container(pod, events, spec)
        if pod.ended.code == 0:
            return
    taken = disruption(pod, events)
    if taken is not None:
        yield Verdict("disrupted", taken)
    if pod.reason == "DeadlineExceeded":
        yield Verdict("failed", "the pod ran longer than its deadline and was stopped by the cluster")
    if pod.is_deleted:
        yield _deleted(pod, events)
    yield from _of_container(pod, events, spec)
    yield from _of_others(pod)
    yield from _of_phase(pod, events)


def _ended_by_itself(pod: PodState, ended: Ended) -> bool:
    """Return whether the program had ended before the pod was deleted, which then says nothing about its end."""
    # Clocks differ: what looks like the end of a program that was told to stop is taken for that. The time of a
    # disruption is no help: kubelets note theirs when all is over.
    is_stopped = ended.code in _STOPPED and ended.reason != "OOMKilled"
    asked_at = pod.deletion_asked_at
    return not is_stopped and ended.at is not None and asked_at is not None and ended.at < asked_at


def _of_container(pod: PodState, events: object, spec: Kubernetes) -> Iterator[Verdict]:
    """Yield what the end of the job's container tells, if it failed."""
    ended = pod.ended
    if ended is None or ended.code == 0:
        return
    if ended.reason == "OOMKilled":
        yield Verdict(
            "failed", f"the pod was killed: it used more memory than {_memory(pod, spec)} ({exit_facts(ended)})"
        )
    elif ended.reason == "ContainerStatusUnknown":
        words = f"{node_name(pod)} lost the program's container and cannot say how it ended"
        yield Verdict("lost", words + full_stop(words) + trouble(events, words))
    elif ended.reason in _UNSTARTABLE:
        lacks = _NO_PROGRAM.search(ended.message) is not None
        yield Verdict("failed", f"the program could not be started: {quote(ended.message)}", retriable=not lacks)
    else:
        yield Verdict("failed", f"the program {exit_words(ended)}{_hint(ended)}")


def _deleted(pod: PodState, events: object) -> Verdict:
    if pod.ended is not None and pod.ended.code not in (None, 0, *_STOPPED) and not pod.deletion_asked_at:
        return Verdict("failed", f"the program {exit_words(pod.ended)}")
    words = f"the pod was deleted by somebody {'while it ran' if pod.has_started else 'before it ran'}"
    return Verdict("disrupted", words + full_stop(words) + trouble(events, words))


def _of_others(pod: PodState) -> Iterator[Verdict]:
    for ended in pod.others_ended:
        because = "used more memory than it may" if ended.reason == "OOMKilled" else exit_words(ended)
        yield Verdict("failed", f"the pod failed because its container {quote(ended.container, 63)} {because}")


def _of_phase(pod: PodState, events: object) -> Iterator[Verdict]:
    if pod.phase == "Unknown":
        words = f"the cluster cannot say how the pod is: {node_name(pod)} does not answer"
        yield Verdict("lost", words + full_stop(words) + trouble(events, words))
    elif pod.phase == "Failed" and (pod.reason or pod.message):
        said = ": ".join(filter(None, (quote(pod.reason, 80), quote(pod.message))))
        yield Verdict("failed", f"the pod failed ({said})")


def _of_job(job: JobState, pods: list[PodState], events: object) -> Verdict:
    """Return what a failed Job says whose pods are gone, or know nothing."""
    said = ": ".join(filter(None, (quote(job.reason, 80), quote(job.message))))
    if "condition DisruptionTarget" in job.message:
        words = "the cluster took the pod away while it ran"
        return Verdict("disrupted", words + full_stop(words) + trouble(events, words))
    if job.reason == "PodFailurePolicy":
        return Verdict("failed", f"the Job's own rules ended it ({said})")
    lacking = "its pods do not say why" if pods else "its pod is gone: nobody can say why"
    words = f"the Job failed ({said or 'with no reason given'}), and {lacking}"
    return Verdict("lost", words + full_stop(words) + trouble(events, words))


def _memory(pod: PodState, spec: Kubernetes) -> str:
    limit = pod.memory or ("" if spec.memory is None else str(spec.memory))
    return f"its limit of {quote(limit, 80)}" if limit else "its node had to give; the task declares no memory"


def _hint(ended: Ended) -> str:
    return ", perhaps because it or its node ran out of memory" if ended.code == 137 else ""


def _with_log(found: Verdict, log: str, pods: list[PodState]) -> Verdict:
    words = found.words.rstrip() + full_stop(found.words.rstrip())
    told = "" if found.kind == "disrupted" else _log(log, pods)
    return Verdict(found.kind, words + told, found.retriable)


def _log(log: str, pods: list[PodState]) -> str:
    lines = last_lines(log)
    if lines:
        return f"\nIts last lines:\n{lines}"
    ends = (pod.ended for pod in pods if pod.ended is not None)
    left = next((last_lines(ended.message) for ended in ends if ended.reason not in _NOT_ITS_OWN), "")
    return f"\nIt left this message:\n{left}" if left else ""
