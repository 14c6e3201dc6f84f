"""The tutorials and explanations: each is run as its reader would."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.page import run_page
from tests.docs.roster import name_of, pages


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", pages("tutorial", "explanation"), ids=name_of)
def test_the_page_does_what_it_says(page: Path, tmp_path: Path) -> None:
    run_page(page, tmp_path)
