"""Write the PDF and read it back with another library."""

from __future__ import annotations

from pathlib import Path

import pytest
from pypdf import PdfReader

from oxmq.demo.ledger import money, sales
from oxmq.demo.sales_report import ROWS_PER_PAGE, page_count, write_sales_report, write_yearly_report


@pytest.mark.parametrize("rows", [0, 1, ROWS_PER_PAGE, ROWS_PER_PAGE + 1, 3 * ROWS_PER_PAGE])
def test_the_report_has_the_pages_that_its_rows_need(tmp_path: Path, rows: int) -> None:
    pages = write_sales_report(tmp_path / "report.pdf", "Sales", sales(5, rows))
    assert pages == page_count(rows) == len(PdfReader(tmp_path / "report.pdf").pages)


def test_the_report_holds_every_row_and_the_total(tmp_path: Path) -> None:
    rows = sales(5, ROWS_PER_PAGE + 20)
    write_sales_report(tmp_path / "report.pdf", "Sales of month 5", rows)
    pages = [page.extract_text() for page in PdfReader(tmp_path / "report.pdf").pages]
    assert all("Sales of month 5" in page for page in pages)
    assert "Page 2 of 2" in pages[1]
    for row in rows:
        assert f"{row.number} {row.day} {row.customer} {row.product} {row.units} {money(row.cents)}" in "\n".join(pages)
    assert f"Total {money(sum(row.cents for row in rows))}" in pages[1]


def test_each_page_is_told_of(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    rows = sales(5, 2 * ROWS_PER_PAGE)
    write_sales_report(tmp_path / "report.pdf", "Sales", rows, lambda done, of: told.append((done, of)))
    assert told == [(1, 2), (2, 2)]


def test_a_year_has_each_month_on_its_own_pages_with_its_total_and_the_years_at_the_end(tmp_path: Path) -> None:
    months = [sales(month, ROWS_PER_PAGE + month) for month in (1, 2)] + [sales(3, 4)]
    told: list[tuple[int, int]] = []
    pages = write_yearly_report(tmp_path / "year.pdf", months, lambda done, of: told.append((done, of)))
    texts = [page.extract_text() for page in PdfReader(tmp_path / "year.pdf").pages]
    assert pages == len(texts) == 5
    assert told == [(page, 5) for page in range(1, 6)]
    for text, month in zip(texts, (1, 1, 2, 2, 3), strict=True):
        assert f"Sales of month {month}\n" in text
    for text, rows in zip((texts[1], texts[3], texts[4]), months, strict=True):
        assert f"Total {money(sum(row.cents for row in rows))}" in text
    assert f"Year {money(sum(row.cents for rows in months for row in rows))}" in texts[4]
    assert [file.name for file in tmp_path.iterdir()] == ["year.pdf"]


def test_nothing_but_the_report_is_left(tmp_path: Path) -> None:
    write_sales_report(tmp_path / "report.pdf", "Sales", sales(1, 1))
    assert [file.name for file in tmp_path.iterdir()] == ["report.pdf"]


def test_a_month_always_has_the_same_sales_and_another_month_others() -> None:
    assert sales(5, 50) == sales(5, 50)
    assert sales(5, 50) != sales(6, 50)


def test_money_is_written_with_its_cents() -> None:
    assert [money(cents) for cents in (5, 100, 123_456_78)] == ["0.05", "1.00", "123,456.78"]
