"""What operators see: hostile text made harmless, times in words, tables that fit, logs that go on."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from oxmq.cli.bench import spread
from oxmq.cli.job.log import added_lines
from oxmq.cli.terminal.screen import show_json
from oxmq.cli.terminal.tables import Column, facts, print_table
from oxmq.cli.terminal.times import ago, clock_time, moment, span
from oxmq.cli.terminal.visible import visible, visible_lines
from oxmq.cli.top.sparkline import sparkline

ESCAPE = "\x1b]0;owned\x07\x1b[2J"
NOW = datetime(2026, 8, 14, 12, tzinfo=UTC)


def printed(width: int, thing: object) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(thing)
    return str(console.file.getvalue())  # type: ignore[attr-defined]  # it is a StringIO


def printed_table(width: int, columns: list[Column], rows: list[tuple[str | int | Text | None, ...]]) -> str:
    console = Console(file=io.StringIO(), width=width)
    print_table(console, columns, rows)
    return str(console.file.getvalue())  # type: ignore[attr-defined]  # it is a StringIO


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("resize", "resize"),
        ("Bilder äöü 你好 👩‍👧", "Bilder äöü 你好 👩‍👧"),
        (ESCAPE, r"\x1b]0;owned\x07\x1b[2J"),
        ("a\nb\tc", r"a\nb\tc"),
        ("\x9b31m", r"\x9b31m"),
        ("abc\u202edcba", r"abc\u202edcba"),
        ("\ud800", r"\ud800"),
        ("a\u2028b", r"a\u2028b"),
    ],
)
def test_what_a_terminal_might_obey_is_escaped(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text(st.characters()))
def test_no_text_whatever_it_is_gets_a_control_character_through(text: str) -> None:
    harmless = set("\u00a0\u200c\u200d\u3000")
    assert all(letter.isprintable() or letter in harmless for letter in visible(text))
    assert all(letter.isprintable() or letter in harmless for letter in visible_lines(text) if letter != "\n")


def test_text_of_several_lines_keeps_them() -> None:
    assert visible_lines("one\r\n\ttwo\x1b[1m\rthree") == "one\n    two\\x1b[1m\\rthree"


def test_json_is_safe_to_look_at_and_means_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"name": f"{ESCAPE}\x9b\u202e\U000e0001\x7f", "ü": "\ud800", "at": "a\nb"}
    show_json(value)
    output = capsys.readouterr().out
    assert all(letter.isprintable() or letter == "\n" for letter in output)
    assert json.loads(output) == value


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"), (0.0123, "12 ms"), (0.9999, "1.0 s"), (4.21, "4.2 s"), (9.96, "10 s"), (59.4, "59 s"),
        (59.6, "1 min"), (60, "1 min"), (80, "1 min 20 s"), (3599, "59 min"), (3 * 3600 + 300, "3 h 5 min"),
        (30 * 3600, "1 d 6 h"), (86_400 * 400, "400 d"), (-5, "-5.0 s"),
    ],
)  # fmt: skip
def test_lengths_of_time_are_short_words(seconds: float, words: str) -> None:
    assert span(seconds) == words


def test_moments_are_told_from_now_and_by_the_clock() -> None:
    earlier = NOW - timedelta(minutes=3)
    assert ago(earlier, NOW) == "3 min ago"
    assert ago(NOW + timedelta(hours=2), NOW) == "in 2 h"
    assert moment(earlier, NOW) == f"3 min ago ({clock_time(earlier)})"
    assert datetime.strptime(clock_time(earlier), "%Y-%m-%d %H:%M:%S %z") == earlier


def test_a_table_formats_nothing_that_is_in_its_cells() -> None:
    output = printed_table(80, [Column(title="name"), Column(title="n", right=True)], [("[red]x[/] :smile:", 1_234)])
    assert "[red]x[/] :smile:" in output
    assert "1,234" in output
    assert ESCAPE[0] not in printed_table(80, [Column(title="name")], [(ESCAPE,)])
    assert "[bold]" in printed(80, facts([("data", "[bold]x"), ("nothing", None), ("empty", "")]))
    assert "nothing" not in printed(80, facts([("data", "[bold]x"), ("nothing", None), ("empty", "")]))


def test_a_narrow_terminal_gets_fewer_columns_and_no_line_that_is_too_long() -> None:
    columns = [Column(title="name"), Column(title="host", least=60), Column(title="data", wide=True)]
    row = ("resize", "a.example", "x" * 500)
    wide, narrow = printed_table(100, columns, [row]), printed_table(40, columns, [row])
    assert "a.example" in wide
    assert "a.example" not in narrow
    assert max(map(len, narrow.splitlines())) <= 40
    assert len(narrow.splitlines()) == 2


@pytest.mark.parametrize(
    ("before", "after", "added"),
    [
        ([], ["a"], ["a"]),
        (["a"], ["a", "b"], ["b"]),
        (["a", "b"], ["a", "b"], []),
        (["a", "b", "c"], ["b", "c", "d", "e"], ["d", "e"]),
        (["a", "b"], ["x", "y"], ["x", "y"]),
        (["a", "b"], [], []),
    ],
)
def test_a_log_that_is_followed_shows_each_line_once(before: list[str], after: list[str], added: list[str]) -> None:
    assert added_lines(before, after) == added


def test_percentiles_are_times_that_were_measured() -> None:
    times = spread([float(n) for n in range(1, 101)])
    assert (times.p50, times.p95, times.p99) == (51.0, 96.0, 100.0)
    assert spread([2.0]).p99 == 2.0


def test_a_sparkline_is_as_wide_as_there_are_values_and_room() -> None:
    assert sparkline([0, 1, 4, 8], 10) == " ▂▅█"
    assert sparkline([9, 9, 0, 8], 2) == " █"
    assert sparkline([], 10) == ""
    assert sparkline([1, 2], 0) == ""
