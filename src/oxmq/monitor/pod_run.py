"""Show the run of a heavy job: which pod has it, whether that lives, and where to look at it with kubectl."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from oxmq.monitor.job_rows import MAX_NAME
from oxmq.monitor.moments import moment, seconds_between
from oxmq.monitor.payloads import shown_text
from oxmq.ops.remote_runs import Phase, RemoteRun, RunState

#: What Kubernetes takes for the name of an object. No other text becomes part of a command that people may run.
_OBJECT_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodRun:
    """Hold the current run of a heavy job, or its last.

    Attributes:
        namespace: where it runs.
        name: the Kubernetes Job's.
        pod: the pod that has it; empty as long as none has spoken.
        number: which of the job's runs it is, from 1.
        attempt: the attempt that it is of, from 1.
        phase: ``spawning`` while the cluster is asked for the pod, ``spawned``, and ``over``.
        started_at: when it was begun.
        heart_at: when its pod last said that it lives; null of pods that do not, such as those that run a program.
        silent_for: how many seconds ago that was; null when nobody waits for it.
        disruptions: how many runs of this attempt were ended by the cluster, at no cost.
        commands: what shows its log and how it is; none where its names are no names of Kubernetes.
    """

    namespace: str
    name: str
    pod: str
    number: int
    attempt: int
    phase: Phase
    started_at: datetime | None
    heart_at: datetime | None
    silent_for: float | None
    disruptions: int
    commands: list[str]


def pod_run_of(state: RunState, now_ms: int) -> PodRun | None:
    """Return a job's run; None of a job that has none."""
    run = state.run
    if run is None:
        return None
    return PodRun(
        namespace=shown_text(run.namespace, MAX_NAME),
        name=shown_text(run.name, MAX_NAME),
        pod=shown_text(state.pod, MAX_NAME),
        number=run.number,
        attempt=run.attempt,
        phase=run.phase,
        started_at=moment(run.at_ms or None),
        heart_at=moment(state.heart_ms),
        silent_for=None if state.current is None else seconds_between(state.heart_ms, now_ms),
        disruptions=run.disruptions,
        commands=_commands(run),
    )


def _commands(run: RemoteRun) -> list[str]:
    if not all(_OBJECT_NAME.fullmatch(name) for name in (run.namespace, run.name)):
        return []
    return [f"kubectl -n {run.namespace} logs job/{run.name}", f"kubectl -n {run.namespace} describe job {run.name}"]
