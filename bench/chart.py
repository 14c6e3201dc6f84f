"""The chart of a run for the README: one panel a figure, one bar a peer, as multiples of the yardstick."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape

from bench.roster import ROSTER, YARDSTICK
from bench.summary import COLUMNS, Column, Summary

#: What the chart shows: the column, the headline, and how many times the yardstick fit in (longer bars are cut).
PANELS = (
    ("process_100", "Jobs processed per second, 100 at a time", 0.0),
    ("add_bulk", "Jobs added per second, in bulk", 0.0),
    ("redis_cpu", "Redis CPU per processed job", 4.0),
    ("pickup_p50", "Time from add to start, idle worker (median)", 4.0),
)

WIDTH = 960
PANEL_WIDTH = 460
NAME_WIDTH = 118
LABEL_WIDTH = 118
BAR_WIDTH = PANEL_WIDTH - NAME_WIDTH - LABEL_WIDTH
ROW = 22
BAR = 14
TOP = 52
GAP = 26

STYLE = """
  text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #24292f; }
  .head { font-size: 14px; font-weight: 600; }
  .quiet { fill: #57606a; }
  .own { font-weight: 700; }
  .bar { fill: #8c959f; }
  .bar.own { fill: #d9480f; }
  .bar.yardstick { fill: #57606a; }
  .cut { stroke: #ffffff; stroke-width: 3; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .quiet { fill: #9da7b3; }
    .bar { fill: #6e7681; }
    .bar.own { fill: #ff8a4c; }
    .bar.yardstick { fill: #9da7b3; }
    .cut { stroke: #0d1117; }
  }
"""

TITLES = {entry.name: entry.title for entry in ROSTER}
BY_NAME = {column.name: column for column in COLUMNS}


def draw(summary: Summary, caption: str) -> str:
    """Return the chart as the text of an SVG file; `caption` is the small print under it."""
    rows = max((len(bars(summary, BY_NAME[name])) for name, _, _ in PANELS), default=0)
    height = TOP + rows * ROW + GAP
    total = height * 2 + GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {total}" role="img" '
        f'aria-label="oxmq compared with other job queues">',
        f"<style>{STYLE}</style>",
    ]
    for place, (name, title, most) in enumerate(PANELS):
        x, y = (place % 2) * (WIDTH - PANEL_WIDTH), (place // 2) * height
        parts += [f'<g transform="translate({x} {y})">', *panel(summary, BY_NAME[name], title, most), "</g>"]
    parts += [f'<text class="quiet" x="0" y="{total - 10}">{escape(caption)}</text>', "</svg>"]
    return "\n".join(parts) + "\n"


def bars(summary: Summary, column: Column) -> list[tuple[str, float]]:
    """Return the peers with their ratios, the best one first."""
    found = [(peer, ratios[column.name]) for peer, ratios in summary.ratios.items()]
    present = [(peer, ratio) for peer, ratio in found if ratio is not None]
    return sorted(present, key=lambda bar: bar[1], reverse=not column.lower_is_better)


def panel(summary: Summary, column: Column, title: str, most: float) -> Iterator[str]:
    """Yield the elements of one panel; bars beyond `most` are cut, 0 for as long as the longest."""
    drawn = bars(summary, column)
    longest = max([ratio for _, ratio in drawn] or [1.0])
    scale = BAR_WIDTH / (min(longest, most) if most else longest)
    direction = "less is better" if column.lower_is_better else "more is better"
    yield f'<text class="head" x="0" y="18">{escape(title)}</text>'
    yield f'<text class="quiet" x="0" y="36">{direction}; 1 is BullMQ on Node</text>'
    for place, (peer, ratio) in enumerate(drawn):
        yield from bar(summary, column, peer, ratio, TOP + place * ROW, scale)


def bar(summary: Summary, column: Column, peer: str, ratio: float, y: int, scale: float) -> Iterator[str]:
    """Yield the elements of one bar with its name and its figure."""
    kind = {"oxmq": "own", YARDSTICK: "yardstick"}.get(peer, "")
    length = min(ratio * scale, BAR_WIDTH)
    text_y = y + BAR - 3
    figure = summary.values[peer][column.name] or 0.0
    label = f"{ratio:.2f} ({figure:,.{column.digits}f}{unit(column)})"
    yield f'<text class="{kind}" x="{NAME_WIDTH - 8}" y="{text_y}" text-anchor="end">{escape(TITLES[peer])}</text>'
    yield f'<rect class="bar {kind}" x="{NAME_WIDTH}" y="{y}" width="{max(length, 1):.1f}" height="{BAR}" rx="2"/>'
    if ratio * scale > BAR_WIDTH + 0.5:
        x = NAME_WIDTH + BAR_WIDTH - 14
        yield f'<line class="cut" x1="{x}" x2="{x + 5}" y1="{y + BAR + 1}" y2="{y - 1}"/>'
    yield f'<text class="{kind or "quiet"}" x="{NAME_WIDTH + length + 6:.1f}" y="{text_y}">{escape(label)}</text>'


def unit(column: Column) -> str:
    """Return the unit that stands behind a figure."""
    return {"redis_cpu": " µs", "pickup_p50": " ms"}.get(column.name, "/s")
