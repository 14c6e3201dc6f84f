"""Every name of the real package has its place in the comparison, and the page says so."""

from __future__ import annotations

from tools.parity import PAGE, VERSION, compare, page, read_map, read_package
from tools.setup_node import VERSIONS


def test_every_name_has_a_counterpart_or_a_reason() -> None:
    comparison = compare(read_package(), read_map())
    assert comparison.problems == ()
    assert PAGE.read_text(encoding="utf-8") == page(comparison), "run tools/parity.py"


def test_the_newest_release_is_compared() -> None:
    newest = max(VERSIONS, key=lambda version: [int(part) for part in version.split(".")])
    assert newest == VERSION
