"""Write a month's sales, or a year's, as a PDF with headings, tables over many pages, page numbers and totals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from fpdf import FPDF
from fpdf.enums import Align

from oxmq.demo.ledger import Sale, money

ROWS_PER_PAGE = 40

_ROW_HEIGHT = 6.0
_COLUMNS = (  # heading, width in millimetres, alignment
    ("No.", 18, Align.R),
    ("Day", 16, Align.R),
    ("Customer", 58, Align.L),
    ("Product", 42, Align.L),
    ("Units", 20, Align.R),
    ("Amount", 36, Align.R),
)


def page_count(rows: int) -> int:
    """Return how many pages a report of so many rows has."""
    return max(1, math.ceil(rows / ROWS_PER_PAGE))


def write_sales_report(
    path: Path, title: str, rows: list[Sale], tell: Callable[[int, int], None] = lambda done, of: None
) -> int:
    """Write the report to `path` and return its number of pages.

    Doing it twice leaves one report: it appears under its name only when it is complete. After each page, `tell` is
    called with how many are done, and how many there are.
    """
    pdf = _Report(title, page_count(len(rows)), tell)
    pdf.add_sales(title, rows)
    return pdf.save(path)


def write_yearly_report(
    path: Path, months: Sequence[list[Sale]], tell: Callable[[int, int], None] = lambda done, of: None
) -> int:
    """Write the sales of a year's months, one after the other, to `path` and return the number of pages.

    Each month begins a page and ends with its total; the year's total is the last line. See `write_sales_report`.
    """
    pdf = _Report("Sales of the year", sum(page_count(len(rows)) for rows in months), tell)
    for month, rows in enumerate(months, 1):
        pdf.add_sales(f"Sales of month {month}", rows)
    pdf.add_total("Year", [row for rows in months for row in rows])
    return pdf.save(path)


class _Report(FPDF):
    def __init__(self, title: str, pages_planned: int, tell: Callable[[int, int], None]) -> None:
        super().__init__(format="A4")
        self.set_title(title)
        self.set_auto_page_break(False)
        self._heading = title
        self._pages_planned = pages_planned
        self._tell = tell

    def header(self) -> None:
        self.set_font("helvetica", "B", 14)
        self.cell(0, 10, self._heading, new_x="LMARGIN", new_y="NEXT")
        self.set_font("helvetica", "B", 9)
        self.set_fill_color(226, 232, 236)
        self._add_row([heading for heading, _, _ in _COLUMNS], fill=True)
        self.set_font("helvetica", "", 9)

    def footer(self) -> None:
        self.set_y(-12)
        self.set_font("helvetica", "", 8)
        self.cell(0, 6, f"Page {self.page_no()} of {{nb}}", align=Align.C)

    def add_sales(self, heading: str, rows: list[Sale]) -> None:
        """Write the rows under a heading, on as many pages as they need, and their total below the last one."""
        self._heading = heading
        for page in range(page_count(len(rows))):
            self._add_rows(rows[page * ROWS_PER_PAGE : (page + 1) * ROWS_PER_PAGE])
            self._tell(self.page_no(), self._pages_planned)
        self.add_total("Total", rows)

    def add_total(self, label: str, rows: list[Sale]) -> None:
        """Write the sum of the rows' amounts."""
        self.set_font("helvetica", "B", 9)
        self._add_row(["", "", "", "", label, money(sum(row.cents for row in rows))])

    def save(self, path: Path) -> int:
        """Let the finished report appear under its name, and return its number of pages."""
        partial = path.with_suffix(".partial")
        self.output(str(partial))
        partial.replace(path)
        return self.pages_count

    def _add_rows(self, rows: list[Sale]) -> None:
        """Begin a page and write the rows that fit on it."""
        self.add_page()
        for row in rows:
            cells = [str(row.number), str(row.day), row.customer, row.product, str(row.units), money(row.cents)]
            self._add_row(cells)

    def _add_row(self, cells: list[str], fill: bool = False) -> None:
        for text, (_, width, align) in zip(cells, _COLUMNS, strict=True):
            self.cell(width, _ROW_HEIGHT, text, border="B", align=align, fill=fill)
        self.ln()
