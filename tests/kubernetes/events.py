"""Record events about pods, as the parts of a cluster do."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Literal

from tests.kubernetes.api import Api, Json


async def record(
    api: Api, pod: Json, kind: Literal["Normal", "Warning"], reason: str, message: str, *, source: str
) -> None:
    """Create an Event about a pod.

    Args:
        api: a connection.
        pod: the object that it is about.
        kind: what sort of event.
        reason: one word, such as ``FailedScheduling``.
        message: what happened.
        source: the part of the cluster that says so.
    """
    metadata, now = pod["metadata"], datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    subject = {"apiVersion": "v1", "kind": "Pod", **{key: metadata[key] for key in ("name", "namespace", "uid")}}
    event: Json = {
        "metadata": {"name": f"{metadata['name']}.{uuid.uuid4().hex[:16]}", "namespace": metadata["namespace"]},
        "involvedObject": subject,
        "type": kind,
        "reason": reason,
        "message": message,
        "source": {"component": source},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
    await api.post(f"/api/v1/namespaces/{metadata['namespace']}/events", event)
