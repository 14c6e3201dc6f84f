"""Describe what all workers that run heavy jobs share: whose the Jobs are, who reconciles, and what was seen."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from oxmq.ops.call import Call, Reply, command, run_script, text
from oxmq.scripts import Retry


class SeenRun(Struct, frozen=True, kw_only=True):
    """Hold a run as the reconciler saw it: what the queue says, what the cluster says, and what follows.

    Attributes:
        namespace: of the Kubernetes Job.
        name: the Kubernetes Job's.
        queue: the queue.
        job_id: the queue's job.
        task: the job's name.
        attempt: the attempt that the run is of.
        number: which of the job's runs it is.
        queue_says: in a few words, such as ``active, spawned``.
        cluster_says: ``running``, ``complete``, ``failed`` or ``missing``.
        action: ``follow``, ``adopt``, ``wait``, ``keep``, ``delete`` or ``forget``.
        why: a sentence.
        since_ms: when it was first seen like that, in milliseconds since the epoch.
    """

    namespace: str
    name: str
    queue: str
    job_id: str
    task: str
    attempt: int
    number: int
    queue_says: str
    cluster_says: str
    action: str
    why: str
    since_ms: int


class Repair(Struct, frozen=True, kw_only=True):
    """Hold something that the reconciler did; the audit stream has it, too.

    Attributes:
        at_ms: when, in milliseconds since the epoch.
        namespace: of the Kubernetes Job.
        name: the Kubernetes Job's.
        queue: the queue.
        job_id: the queue's job.
        action: ``delete`` or ``forget``.
        why: a sentence.
        result: ``done``, or why it was not.
    """

    at_ms: int
    namespace: str
    name: str
    queue: str
    job_id: str
    action: str
    why: str
    result: str


class Report(Struct, frozen=True, kw_only=True):
    """Hold what the reconciler saw and did last.

    Attributes:
        at_ms: when, in milliseconds since the epoch.
        worker: which worker leads.
        term: how often the lead has changed.
        owner: the name under which this installation's Jobs are known.
        address: of the API server.
        namespaces: which were looked at.
        seconds: how long it took.
        error: why a namespace could not be looked at; empty when all could.
        counts: how many runs there are by action.
        runs: some of them: those with something to do first.
        repairs: the last ones, the newest first.
    """

    at_ms: int
    worker: str
    term: int
    owner: str
    address: str
    namespaces: list[str]
    seconds: float
    error: str
    counts: dict[str, int]
    runs: list[SeenRun]
    repairs: list[Repair]


def owner_key(prefix: str) -> str:
    """Return the key of the name under which this installation's Jobs are known in a cluster."""
    return f"{prefix}:oxmq-owner"


def leader_key(prefix: str) -> str:
    """Return the key that says who reconciles, and what that saw."""
    return f"{prefix}:oxmq-leader"


def claim_owner(prefix: str, name: str) -> Call[str]:
    """Name this installation, unless it has a name; the result is the name that it has."""
    return command(
        "SET", owner_key(prefix), name, "NX", "GET",
        decode=lambda reply: name if reply is None else text(reply), retry=Retry.SAFE,
    )  # fmt: skip


def get_owner(prefix: str) -> Call[str | None]:
    """Read the name under which this installation's Jobs are known; None where it has none yet."""
    return command("GET", owner_key(prefix), decode=lambda reply: None if reply is None else text(reply))


def lead(prefix: str, worker: str, ttl_ms: int, report: Report | None = None) -> Call[int]:
    """Take the lead or keep it, and write down what the leader saw.

    Args:
        worker: who wants to lead.
        ttl_ms: for how long the lead lasts unless it is kept; 0 gives it up.
        report: what was seen; None leaves what was written before.

    Returns:
        The term of the lead, which grows whenever another one takes it; 0 for who does not lead.
    """
    written = b"" if report is None else msgspec.json.encode(report)
    return run_script("lead", leader_key(prefix), worker, ttl_ms, written, decode=int)


def get_report(prefix: str) -> Call[Report | None]:
    """Read what the last leader saw; None where there was none, or nothing that can be read."""
    return command("HGET", leader_key(prefix), "report", decode=_report)


_reports = msgspec.json.Decoder(Report)


def _report(reply: Reply) -> Report | None:
    try:
        return None if reply is None else _reports.decode(reply)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
