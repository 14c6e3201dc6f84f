"""All other pages: each is run as its reader would."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.page import run_page
from tests.docs.roster import DOCS, ROOT, name_of, pages


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", [*pages(), *pages("migration", "reference", "decisions", "faq")], ids=name_of)
def test_the_page_does_what_it_says(page: Path, tmp_path: Path) -> None:
    run_page(page, tmp_path)


def test_the_readme_is_written_in_the_languages_that_it_names(tmp_path: Path) -> None:
    run_page(ROOT / "README.md", tmp_path, other="tests/integration/test_readme.py")


def test_no_page_is_left_out() -> None:
    run = {*pages(), *pages("how-to", "tutorial", "explanation", "migration", "reference", "decisions", "faq")}
    assert sorted(run) == sorted(DOCS.rglob("*.md"))
