"""Say lengths of time and moments so that people grasp them at once."""

from __future__ import annotations

from datetime import datetime

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))


def span(seconds: float) -> str:
    """Return a length of time in words, to two figures or so: ``12 ms``, ``4.2 s``, ``3 h 5 min``."""
    if seconds < 0:
        return f"-{span(-seconds)}"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms" if seconds else "0 s"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    for at, (unit, size) in enumerate(_UNITS):
        if seconds >= size:
            return _two_units(seconds, at, unit, size)
    return "1 min"


def ago(instant: datetime, now: datetime) -> str:
    """Say how long ago a moment was, or in how long it will be."""
    seconds = (now - instant).total_seconds()
    return f"{span(seconds)} ago" if seconds >= 0 else f"in {span(-seconds)}"


def moment(instant: datetime, now: datetime) -> str:
    """Say when something was, seen from now and by the clock of this host."""
    return f"{ago(instant, now)} ({clock_time(instant)})"


def clock_time(instant: datetime) -> str:
    """Return a moment by the clock of this host, with its time zone."""
    return instant.astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


def _two_units(seconds: float, at: int, unit: str, size: int) -> str:
    whole, rest = divmod(round(seconds), size)
    smaller = _UNITS[at + 1] if at + 1 < len(_UNITS) else ("s", 1)
    part = rest // smaller[1]
    return f"{whole} {unit} {part} {smaller[0]}" if part and whole < 10 else f"{whole} {unit}"
