"""Sign webhooks and check their signatures, in the manner of the Standard Webhooks specification.

The signature covers the id, the time and the body, so that none of them can be changed and an old delivery cannot be
sent again later.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping

#: The age, in seconds, from which on a delivery is refused as a replay.
TOLERANCE = 300


def signed_headers(secret: str, event_id: str, body: bytes, now: float | None = None) -> dict[str, str]:
    """Return the three headers that go with `body`; `now` is in seconds since 1970."""
    timestamp = str(int(time.time() if now is None else now))
    return {
        "webhook-id": event_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": _signature(secret, event_id, timestamp, body),
    }


def is_authentic(secret: str, headers: Mapping[str, str], body: bytes, now: float | None = None) -> bool:
    """Say whether `body` was signed with `secret` within the last `TOLERANCE` seconds."""
    timestamp = headers.get("webhook-timestamp", "")
    if not timestamp.isdecimal() or abs((time.time() if now is None else now) - int(timestamp)) > TOLERANCE:
        return False
    expected = _signature(secret, headers.get("webhook-id", ""), timestamp, body)
    return hmac.compare_digest(expected.encode(), headers.get("webhook-signature", "").encode())


def _signature(secret: str, event_id: str, timestamp: str, body: bytes) -> str:
    message = b".".join((event_id.encode(), timestamp.encode(), body))
    digest = hmac.new(secret.encode(), message, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()
