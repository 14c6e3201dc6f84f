"""Decide how long a failed job waits for its next attempt.

The formulas are BullMQ's, so that a job waits as long whichever library's worker runs it.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from oxmq.options import Backoff


def retry_delay_ms(backoff: Backoff | None, attempt: int, uniform: Callable[[], float] = random.random) -> int:
    """Return the milliseconds to wait after the failure of attempt number `attempt` (1 is the first).

    With a jitter j the last share j of the delay is drawn evenly: between (1 - j) of it and all of it.
    """
    if backoff is None:
        return 0
    full = backoff.delay_ms if backoff.type == "fixed" else round(2 ** (attempt - 1) * backoff.delay_ms)
    if not backoff.jitter:
        return int(full)
    return int(uniform() * full * backoff.jitter + full * (1 - backoff.jitter))
