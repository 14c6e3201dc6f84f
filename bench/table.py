"""The tables of a run, in Markdown that reads well in a terminal too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.roster import ROSTER
from bench.summary import COLUMNS, Column, Summary

TITLES = {entry.name: entry.title for entry in ROSTER}
GUARANTEES = {entry.name: entry.guarantees for entry in ROSTER}


def figures_table(summary: Summary) -> str:
    """Return the medians, one row a figure and one column a peer."""
    rows = [
        [column.title, *(number(summary.values[p][column.name], column.digits) for p in summary.values)]
        for column in measured(summary)
    ]
    return markdown([header(column) for column in ("", *summary.values)], rows)


def ratios_table(summary: Summary) -> str:
    """Return the ratios to the yardstick: more is better for rates, less for times and costs."""
    rows = [
        [ratio_title(column), *(times(summary.ratios[p][column.name]) for p in summary.values)]
        for column in measured(summary)
    ]
    return markdown([header(column) for column in ("", *summary.values)], rows)


def peers_table(summary: Summary) -> str:
    """Return what was measured and what each peer guarantees."""
    rows = [[TITLES[peer], version, GUARANTEES[peer]] for peer, version in summary.versions.items()]
    return markdown(["", "version", "when a worker dies"], rows, left=3)


def depth_table(depth: dict[str, Any]) -> str:
    """Return the rates beside a short and a long backlog."""
    rows = [
        [
            f"{header(peer)}, {name.replace('_', ' ')}",
            number(short, 0),
            number(long, 0),
            times(long / short if short and long else None),
        ]
        for peer, measurements in depth.items()
        for name, (short, long) in measurements.items()
    ]
    return markdown(["jobs/s", "1,000 waiting", "1,000,000 waiting", "ratio"], rows)


def measured(summary: Summary) -> list[Column]:
    """Return the columns for which there are figures."""
    return [c for c in COLUMNS if any(values[c.name] is not None for values in summary.values.values())]


def header(peer: str) -> str:
    """Return the title of a peer's column."""
    return TITLES.get(peer, peer)


def ratio_title(column: Column) -> str:
    """Return the title of a ratio's row with the direction that is good."""
    name = column.title.partition(",")[0] if column.lower_is_better else column.title
    return f"{name} {'↓' if column.lower_is_better else '↑'}"


def number(value: float | None, digits: int) -> str:
    """Return a figure, or a dash where there is none."""
    return "-" if value is None else f"{value:,.{digits}f}"


def times(value: float | None) -> str:
    """Return a ratio, or a dash where there is none."""
    return "-" if value is None else f"{value:.2f}"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Return a table with aligned columns, the first `left` of them to the left."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    rule = [":" + "-" * (w - 1) if i < left else "-" * (w - 1) + ":" for i, w in enumerate(max(w, 3) for w in widths)]
    return "\n".join(line(row, widths, left) for row in [head, rule, *rows])


def line(cells: Sequence[str], widths: Sequence[int], left: int) -> str:
    """Return one padded row."""
    padded = (
        c.ljust(max(w, 3)) if i < left else c.rjust(max(w, 3))
        for i, (c, w) in enumerate(zip(cells, widths, strict=True))
    )
    return f"| {' | '.join(padded)} |"
