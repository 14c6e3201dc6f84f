"""The reference of the HTTP API: it names every call, and the program that writes it leaves the rest alone."""

from __future__ import annotations

import pytest

from tools.http_reference import PAGE, TOOL, document, part
from tools.page_part import END, MarkerError, beginning, table, with_part

BEGINNING = beginning("tool")


def test_the_page_is_what_the_program_writes() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_part(page, TOOL, part(document())), "run tools/http_reference.py"


def test_a_row_has_the_role_and_the_first_sentence() -> None:
    call = {"tags": ["jobs"], "description": "Do\nthis | that.\n\nMore of it.", "x-role": "operator"}
    described = {"paths": {"/api/jobs": {"post": call}, "/health": {"get": {"tags": ["health"], "description": "Hm."}}}}
    written = part(described)
    assert "### Jobs\n\n| call | role | what it does |\n|---|---|---|\n" in written
    assert "| `POST /api/jobs` | operator | Do this \\| that. |" in written
    assert "| `GET /health` | none | Hm. |" in written


def test_what_is_written_by_hand_stays() -> None:
    page = f"before\n{BEGINNING}\nold\n{END}\nafter\n"
    written = with_part(page, "tool", "fresh\n")
    assert written == f"before\n{BEGINNING}\n\nfresh\n\n{END}\nafter\n"
    assert with_part(written, "tool", "fresh") == written


@pytest.mark.parametrize("page", ["", beginning("tool"), f"{END} {BEGINNING}", f"{BEGINNING} " * 2 + END])
def test_a_page_says_where_the_part_belongs(page: str) -> None:
    with pytest.raises(MarkerError):
        with_part(page, "tool", "")


def test_a_table_has_a_line_for_each_row() -> None:
    assert list(table(("a", "b"), [("1", "2|3")])) == ["| a | b |", "|---|---|", "| 1 | 2\\|3 |", ""]
