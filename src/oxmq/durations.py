"""Read a length of time in each form that users write it."""

from __future__ import annotations

import math
import re
from datetime import timedelta

from oxmq.errors import ConfigurationError

Duration = int | float | timedelta | str
"""Seconds, a `timedelta`, or a text such as ``"90s"``, ``"10m"`` or ``"2h30m"``."""

_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")

#: Longer than any score of the wire format can carry (the year 2039), and a guard against a unit mistaken.
_MAX_MS = 100 * 365 * 86_400_000


def milliseconds(value: object, field: str) -> int:
    """Return `value` in whole milliseconds.

    Raises:
        ConfigurationError: `value` is not a `Duration`, is negative, infinite or beyond a century;
            the message names `field`.
    """
    exact = _read(value, field)
    if not 0 <= exact <= _MAX_MS:  # also false for NaN
        raise ConfigurationError(f"{field} must be between 0 and 100 years, not {value!r}")
    return round(exact)


def positive_milliseconds(value: object, field: str) -> int:
    """Return `value` in whole milliseconds; less than one is a `ConfigurationError` too."""
    ms = milliseconds(value, field)
    if ms == 0:
        raise ConfigurationError(f"{field} must be longer than 0")
    return ms


def _read(value: object, field: str) -> float:
    if isinstance(value, timedelta):
        return value / timedelta(milliseconds=1)
    if isinstance(value, str):
        return _read_text(value, field)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value * 1000 if math.isfinite(value) else math.nan
    raise ConfigurationError(
        f'{field} must be seconds, a timedelta or a text such as "10m", not {type(value).__name__} {value!r}'
    )


def _read_text(value: str, field: str) -> float:
    text = value.strip()
    if not text or _PART.sub("", text).strip():
        raise ConfigurationError(f'{field} must be a text such as "30s", "10m" or "2h30m", not {value!r}')
    return sum(float(number) * _UNIT_MS[unit] for number, unit in _PART.findall(text))
