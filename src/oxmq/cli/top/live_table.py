"""Be a table whose rows change while a cursor stands in one of them."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.widgets import DataTable

from oxmq.cli.terminal.tables import Cell, Column
from oxmq.cli.terminal.visible import visible

Row = tuple[str, Sequence[Cell]]
"""What tells a row from others, and its cells."""


class LiveTable(DataTable[Text]):
    """Show rows, keep the cursor on the same one when they change, and drop columns on a narrow terminal."""

    def __init__(self, columns: Sequence[Column]) -> None:
        super().__init__(cursor_type="row", zebra_stripes=True, cell_padding=1)
        self._all_columns = columns
        self._shown: list[int] = []
        self._keys: list[str] = []

    @property
    def chosen(self) -> str | None:
        """Return the key of the row in which the cursor stands."""
        return self._keys[self.cursor_row] if 0 <= self.cursor_row < len(self._keys) else None

    def fill(self, rows: Sequence[Row]) -> None:
        """Show these rows."""
        wanted = [at for at, column in enumerate(self._all_columns) if column.least <= self.screen.size.width]
        keys = [key for key, _ in rows]
        cells = [[_cell(row[at], self._all_columns[at]) for at in wanted] for _, row in rows]
        if wanted == self._shown and keys == self._keys:
            self._update(cells)
        else:
            self._rebuild(wanted, keys, cells)

    def _update(self, cells: list[list[Text]]) -> None:
        for y, row in enumerate(cells):
            for x, cell in enumerate(row):
                if self.get_cell_at((y, x)) != cell:  # type: ignore[arg-type]  # a coordinate is a tuple
                    self.update_cell_at((y, x), cell, update_width=True)  # type: ignore[arg-type]  # as above

    def _rebuild(self, wanted: list[int], keys: list[str], cells: list[list[Text]]) -> None:
        chosen, row = self.chosen, self.cursor_row
        self.clear(columns=True)
        for at in wanted:
            column = self._all_columns[at]
            self.add_column(Text(column.title, justify="right" if column.right else "left"))
        self.add_rows(cells)
        self._shown, self._keys = wanted, keys
        self.move_cursor(row=keys.index(chosen) if chosen in keys else min(row, len(keys) - 1))


def _cell(value: Cell, column: Column) -> Text:
    if isinstance(value, Text):
        cell = value.copy()
    else:
        cell = Text(visible(value) if isinstance(value, str) else "" if value is None else f"{value:,}")
    cell.justify = "right" if column.right else "left"
    return cell
