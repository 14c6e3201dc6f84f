"""Draw figures over time in one line of text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_BARS: Final = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], width: int) -> str:
    """Return one character for each of the newest `width` values, as high as the value beside the largest."""
    shown = list(values)[-width:] if width > 0 else []
    most = max(shown, default=0)
    if most <= 0:
        return "".join(" " if not value else _BARS[0] for value in shown)
    return "".join(" " if value <= 0 else _BARS[round(value / most * (len(_BARS) - 1))] for value in shown)
