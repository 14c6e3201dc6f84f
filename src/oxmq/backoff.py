"""Decide how long a failed job waits for its next attempt.

The formulas are BullMQ's, so that a job waits as long whichever library's worker runs it.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from oxmq.options import Backoff

#: No delay is longer than a century, however many attempts have doubled it: times must stay within the scores' range.
_MAX_MS = 100 * 365 * 86_400_000


def retry_delay_ms(backoff: Backoff | None, attempt: int, uniform: Callable[[], float] = random.random) -> int:
    """Return the milliseconds to wait after the failure of attempt number `attempt` (1 is the first).

    With a jitter j the last share j of the delay is drawn evenly: between (1 - j) of it and all of it.
    """
    if backoff is None:
        return 0
    doublings = 0 if backoff.type == "fixed" else min(attempt - 1, 64)
    full = min(backoff.delay_ms << doublings, _MAX_MS)
    if not backoff.jitter:
        return full
    return int(uniform() * full * backoff.jitter + full * (1 - backoff.jitter))
