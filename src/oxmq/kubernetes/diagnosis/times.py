"""Write times and their lengths for people."""

from __future__ import annotations

import math
from datetime import datetime


def moment(at: datetime) -> str:
    """Return a time of UTC to the second."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def span(seconds: float) -> str:
    """Return a length of time in its two largest units."""
    whole = round(min(max(seconds, 0), 10**12)) if math.isfinite(seconds) else 0
    parts = (whole // 86_400, whole // 3600 % 24, whole // 60 % 60, whole % 60)
    units = zip(parts, ("day", "hour", "minute", "second"), strict=True)
    told = [f"{count} {unit}{'' if count == 1 else 's'}" for count, unit in units if count]
    return " ".join(told[:2]) or "no time"
