"""The reference of the command line: it is what the commands say of themselves."""

from __future__ import annotations

import pytest

from tools.cli_reference import PAGE, TOOL, part
from tools.page_part import with_part


def test_the_page_is_what_the_program_writes() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_part(page, TOOL, part()), "run tools/cli_reference.py"


@pytest.mark.parametrize(
    "words",
    [
        "### oxmq worker\n\n```text\noxmq worker MODULE:APP [OPTIONS]\n```",
        "oxmq web [MODULE:APP] [OPTIONS]",
        "oxmq queue pause QUEUE... [OPTIONS]",
        "| `--web`, `--no-web` | `--web` |",
        "| `--yes`, `-y` |  | Do not ask. |",
        "| `--log-level LOG_LEVEL` | `info` | Which log messages to print. One of debug, info, warning, error. |",
    ],
)
def test_usage_and_options_are_told(words: str) -> None:
    assert words in part()


def test_what_is_hidden_is_not_told() -> None:
    assert "lifeline" not in part()
