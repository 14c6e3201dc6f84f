"""Lay out what was read in columns. All text is shown as it is: nothing in it formats, colours or moves anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from oxmq.cli.terminal.visible import visible, visible_lines

Cell = str | int | Text | None

#: How many blanks part two columns.
_GAP: Final = 2
#: A column that takes what room is left is never narrower.
_LEAST_ROOM: Final = 16

STATE_STYLES: Final = {
    "waiting": "cyan",
    "prioritized": "cyan",
    "delayed": "blue",
    "active": "yellow",
    "waiting-children": "magenta",
    "completed": "green",
    "failed": "bold red",
}
"""How the states of jobs are coloured; the word always stands beside the colour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """Describe a column.

    Attributes:
        title: what stands above it.
        right: whether it holds figures.
        least: how many columns a terminal must have for it to be shown.
        wide: whether it takes what room is left, and is cut where there is none.
    """

    title: str
    right: bool = False
    least: int = 0
    wide: bool = False


def table(columns: Sequence[Column], rows: Iterable[Sequence[Cell]], width: int) -> Table:
    """Return a table of those columns for which a terminal of `width` columns has room."""
    shown = [at for at, column in enumerate(columns) if column.least <= width]
    cells = [[_cell(row[at]) for at in shown] for row in rows]
    laid_out = Table(box=None, padding=(0, _GAP, 0, 0), header_style="bold", pad_edge=False)
    for place, column in enumerate(columns[at] for at in shown):
        laid_out.add_column(
            column.title,
            justify="right" if column.right else "left",
            overflow="ellipsis" if column.wide else "fold",
            no_wrap=column.wide,
            max_width=_room_beside(place, columns, shown, cells, width) if column.wide else None,
        )
    for row in cells:
        laid_out.add_row(*row)
    return laid_out


def print_table(console: Console, columns: Sequence[Column], rows: Iterable[Sequence[Cell]]) -> None:
    """Print a table that fits the console."""
    console.print(table(columns, rows, console.width))


def facts(pairs: Iterable[tuple[str, Cell]]) -> Table:
    """Return names and what they stand for, one below the other; those of which nothing is known are left out."""
    laid_out = Table.grid(padding=(0, 2, 0, 0))
    laid_out.add_column(style="dim", no_wrap=True)
    laid_out.add_column(overflow="fold")
    for name, value in pairs:
        if value is not None and value != "":
            laid_out.add_row(Text(name), _cell(value, lines=True))
    return laid_out


def state_text(state: str) -> Text:
    """Return the name of a state in its colour."""
    return Text(visible(state), style=STATE_STYLES.get(state, ""))


def _room_beside(place: int, columns: Sequence[Column], shown: list[int], cells: list[list[Text]], width: int) -> int:
    """Return how many of `width` columns the others leave to the one at `place`."""
    others = [other for other in range(len(shown)) if other != place]
    taken = sum(
        _GAP + max([len(columns[shown[other]].title), *(row[other].cell_len for row in cells)]) for other in others
    )
    return max(_LEAST_ROOM, width - taken)


def _cell(value: Cell, *, lines: bool = False) -> Text:
    if isinstance(value, Text):
        return value
    if isinstance(value, str):
        return Text(visible_lines(value) if lines else visible(value))
    return Text("" if value is None else f"{value:,}")
