"""Write the table of all calls of the HTTP API into its reference, from the application's own OpenAPI document.

python tools/http_reference.py           write the table in docs/reference/http-api.md
python tools/http_reference.py --check   fail if it is not what would be written
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

# Run as a program, this file finds its neighbours only now.
from oxmq.web import oxmq_web  # noqa: E402 - see above
from tools.page_part import keep, table  # noqa: E402 - see above

PAGE: Final = ROOT / "docs" / "reference" / "http-api.md"
TOOL: Final = "http_reference"

#: The headings of the parts of the table, by the tags of the calls, in the order of the page.
TITLES: Final = {
    "adding": "Add jobs",
    "jobs": "Jobs",
    "queues": "Queues",
    "administration": "Many jobs of a queue",
    "schedules": "Schedules",
    "workers": "Workers and load",
    "metrics": "Metrics",
    "server": "The server",
    "heavy jobs": "Heavy jobs",
    "events": "The live feed",
    "audit": "The audit log",
    "session": "Sessions",
    "health": "Health",
}


def document() -> dict[str, Any]:
    """Return the OpenAPI document; no server is asked."""
    return oxmq_web("redis://localhost").openapi()


def part(described: dict[str, Any]) -> str:
    """Return the tables of all calls that a document describes.

    Raises:
        KeyError: a call has a tag that has no heading.
    """
    groups: dict[str, list[tuple[str, ...]]] = {tag: [] for tag in TITLES}
    for path, calls in described["paths"].items():
        for method, call in calls.items():
            groups[call["tags"][0]].append(_row(method, path, call))
    return "\n".join(line for tag, rows in groups.items() if rows for line in _section(TITLES[tag], rows))


def _section(title: str, rows: list[tuple[str, ...]]) -> Iterator[str]:
    yield from (f"### {title}", "")
    yield from table(("call", "role", "what it does"), rows)


def _row(method: str, path: str, call: dict[str, Any]) -> tuple[str, ...]:
    summary = call["description"].split("\n\n")[0].replace("\n", " ")
    return f"`{method.upper()} {path}`", call.get("x-role", "none"), summary


if __name__ == "__main__":
    sys.exit(keep(PAGE, TOOL, part(document()), sys.argv[1:]))
