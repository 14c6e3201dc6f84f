"""Describe how the counts of ended jobs are read, and write counts down as Prometheus reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from msgspec import Struct

from oxmq.codec import instant
from oxmq.errors import ConfigurationError
from oxmq.keys import QueueKeys
from oxmq.ops.call import Call, Reply, number, run_script

_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_TAKEN_LABELS = ("queue", "state")
#: More milliseconds than there are dates.
_MOST: Final = 2 * 10**14


class MetricsMeta(Struct, frozen=True):
    """Hold the totals behind the points of `Metrics`.

    Attributes:
        count: how many jobs have ended so since metrics are kept.
        prev_count: how many of them the points tell of.
        prev_ts: when the last point was written; None when none was.
    """

    count: int
    prev_ts: datetime | None
    prev_count: int


class Metrics(Struct, frozen=True):
    """Hold how many jobs ended in each minute.

    Attributes:
        meta: the totals.
        data: the jobs of each minute asked for, the newest first.
        count: how many minutes are kept in all.
    """

    meta: MetricsMeta
    data: list[int]
    count: int


NO_METRICS: Final = Metrics(MetricsMeta(0, None, 0), [], 0)
"""What is counted where no worker keeps metrics."""


def get_metrics(keys: QueueKeys, state: str, start: int, end: int) -> Call[Metrics]:
    """Read the minutes from `start` to `end`, both included; 0 is the newest, and -1 the oldest."""
    return run_script("get_metrics", keys.base, state, start, end, decode=_metrics)


class Family(Struct, frozen=True):
    """Hold one metric for Prometheus: its name, what it means, its kind, and the labels and value of each sample."""

    name: str
    meaning: str
    kind: str
    samples: list[tuple[dict[str, str], float]]


def prometheus_text(queue: str, counts: Mapping[str, int], ended: Mapping[str, int], labels: Mapping[str, str]) -> str:
    """Write down the jobs in each state, and the jobs that ended `completed` and `failed`."""
    by_state = [({"queue": queue, "state": state, **labels}, float(count)) for state, count in counts.items()]
    families = [job_count(by_state)]
    families += (ended_total(state, [({"queue": queue, **labels}, count)]) for state, count in ended.items())
    return exposition(families)


def job_count(samples: list[tuple[dict[str, str], float]]) -> Family:
    """Return the metric of how many jobs are in each state."""
    return Family("bullmq_job_count", "Number of jobs in the queue by state", "gauge", samples)


def ended_total(state: str, samples: list[tuple[dict[str, str], float]]) -> Family:
    """Return the metric of how many jobs have ended as `state`."""
    return Family(f"bullmq_job_{state}_total", f"Total number of {state} jobs", "counter", samples)


def exposition(families: Iterable[Family]) -> str:
    """Write metrics down as Prometheus reads them, each with all its samples; those without any are left out."""
    lines: list[str] = []
    for family in families:
        if family.samples:
            lines += (f"# HELP {family.name} {family.meaning}", f"# TYPE {family.name} {family.kind}")
            lines += (f"{family.name}{_labels(labels)} {value:.17g}" for labels, value in family.samples)
    return "\n".join(lines)


def _labels(labels: Mapping[str, str]) -> str:
    pairs = ", ".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{pairs}}}" if pairs else ""


def checked_labels(labels: Mapping[str, str]) -> Mapping[str, str]:
    """Return `labels`.

    Raises:
        ConfigurationError: a label's name is not one for Prometheus, or is used already, or its value is no text.
    """
    for name, value in labels.items():
        if not isinstance(name, str) or not _LABEL.fullmatch(name) or name in _TAKEN_LABELS:  # pyright: ignore[reportUnnecessaryIsInstance] - callers need not be typed
            raise ConfigurationError(
                f"global_variables must have names of letters, digits and _ other than queue and state, not {name!r}"
            )
        if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance] - callers need not be typed
            raise ConfigurationError(f"global_variables[{name!r}] must be a string, not {value!r}")
    return labels


def _escaped(value: str) -> str:
    return value.translate(_ESCAPES)


def _metrics(reply: Reply) -> Metrics:
    (count, prev_ts, prev_count), points, kept = reply
    written = _whole(prev_ts)
    since = instant(written) if written else None
    return Metrics(MetricsMeta(_whole(count), since, _whole(prev_count)), [_whole(point) for point in points], kept)


def _whole(reply: Reply) -> int:
    """Return what somebody wrote as a number; 0 for what is none, or beyond any date."""
    try:
        value = number(reply)
    except ValueError:
        return 0
    return value if 0 <= value < _MOST else 0
