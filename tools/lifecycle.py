"""Draw the life of a job: every state, and the scripts behind every arrow.

python tools/lifecycle.py           write docs/assets/lifecycle.svg
python tools/lifecycle.py --check   fail if it is not what would be written
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parent.parent
FILE: Final = ROOT / "docs" / "assets" / "lifecycle.svg"

#: Half the width and half the height of a state's box.
_HALF: Final = (85, 23)
_LINE_HEIGHT: Final = 16

#: Where the states are: the middle of each box.
STATES: Final = {
    "delayed": (360, 90),
    "waiting": (360, 270),
    "prioritized": (360, 440),
    "active": (690, 270),
    "waiting-children": (690, 440),
    "completed": (1000, 150),
    "failed": (1000, 390),
}
#: What stands for several states, where lines to them all would cross the picture.
_NOTES: Final = (
    ("waiting or prioritized", (1000, 270)),
    ("not yet active", (1000, 510)),
)


class Arrow(NamedTuple):
    """Hold one arrow: its ends, the scripts that make the change, its line, and where they are written."""

    source: str
    target: str
    scripts: tuple[str, ...]
    line: str
    at: tuple[int, int]
    anchor: str = "start"
    remark: str = ""


ADDING: Final = (
    "add", "add_related", "add_relayed", "add_flow", "upsert_scheduler", "advance_scheduler", "resume_scheduler",
)  # fmt: skip
ARROWS: Final = (
    Arrow("", "waiting", ADDING, "M47 270H234", (26, 300)),
    Arrow("", "delayed", (), "M60 270V90H272", (0, 0)),
    Arrow(
        "", "waiting-children", ("add_flow", "add_related", "add_relayed"),
        "M33 270H14V560H690V466", (200, 552), "inline",
    ),
    Arrow("delayed", "delayed", ("change_delay",), "M330 67V40H390V64", (400, 46)),
    Arrow("delayed", "waiting", ("take", "finish", "promote", "requeue"), "M360 113V207", (370, 142)),
    Arrow("waiting", "prioritized", ("change_priority",), "M360 293V414", (370, 358)),
    Arrow("prioritized", "waiting", (), "M360 417V296", (0, 0)),
    Arrow("waiting", "active", ("take", "finish"), "M488 258H602", (500, 250), "inline"),
    Arrow("active", "waiting", ("finish", "recover_stalled", "hand_back"), "M605 284H491", (545, 304), "middle"),
    Arrow("active", "delayed", ("finish",), "M690 247V90H448", (700, 130), remark="a delay, a backoff"),
    Arrow("active", "waiting-children", ("finish", "move_to_waiting_children"), "M690 293V414", (700, 350)),
    Arrow(
        "waiting-children", "waiting",
        ("finish", "cancel", "remove", "remove_children", "remove_dependency"), "M605 440H491", (545, 460), "middle",
        remark="of a child",
    ),
    Arrow("active", "completed", ("finish",), "M775 262L912 170", (850, 196), "end"),
    Arrow("active", "failed", ("finish",), "M775 280L912 372", (852, 322)),
    Arrow("completed", "waiting", ("retry", "requeue"), "M1000 173V250", (1010, 205)),
    Arrow("failed", "waiting", ("retry", "requeue"), "M1000 367V290", (1010, 322)),
    Arrow("", "failed", ("cancel",), "M1000 487V416", (1010, 456)),
)  # fmt: skip
#: What takes a job out for good.
REMOVING: Final = ("remove", "remove_children", "clean", "drain", "obliterate", "remove_scheduler", "finish")

_STYLE: Final = """
.lifecycle { --fg: #1a1b25; --dim: #565868; --edge: #8e8e9c; --box: #ffffff; --group: #f1f1f8; --accent: #4444b8; }
@media (prefers-color-scheme: dark) {
  .lifecycle { --fg: #eceef3; --dim: #a8adba; --edge: #6b6f7d; --box: #1d2026; --group: #23252e; --accent: #a5a6ff; }
}
[data-md-color-scheme="default"] .lifecycle {
  --fg: #1a1b25; --dim: #565868; --edge: #8e8e9c; --box: #ffffff; --group: #f1f1f8; --accent: #4444b8;
}
[data-md-color-scheme="slate"] .lifecycle {
  --fg: #eceef3; --dim: #a8adba; --edge: #6b6f7d; --box: #1d2026; --group: #23252e; --accent: #a5a6ff;
}
.lifecycle text { font: 13px system-ui, sans-serif; fill: var(--fg); }
.lifecycle .state { font-size: 15px; font-weight: 600; text-anchor: middle; }
.lifecycle .script { font: 12px ui-monospace, Menlo, Consolas, monospace; fill: var(--accent); }
.lifecycle .note { fill: var(--dim); }
.lifecycle .middle { text-anchor: middle; }
.lifecycle .end { text-anchor: end; }
.lifecycle rect { fill: var(--box); stroke: var(--edge); stroke-width: 1.5; }
.lifecycle .group { fill: var(--group); stroke: none; }
.lifecycle .other { fill: none; stroke-dasharray: 4 4; }
.lifecycle path { fill: none; stroke: var(--edge); stroke-width: 1.5; marker-end: url(#lifecycle-head); }
.lifecycle marker path, .lifecycle circle { fill: var(--edge); stroke: none; marker-end: none; }
"""


def drawing() -> str:
    """Return the picture."""
    return "\n".join([
        '<svg xmlns="http://www.w3.org/2000/svg" class="lifecycle" viewBox="0 0 1110 640" role="img"'
        ' aria-label="The states of a job and the scripts that move it between them">',
        f"<style>{_STYLE}</style>",
        '<defs><marker id="lifecycle-head" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" markerHeight="7"'
        ' orient="auto-start-reverse"><path d="M0 0L8 4L0 8z"/></marker></defs>',
        *_ground(),
        *(f'<path d="{arrow.line}"/>' for arrow in ARROWS),
        *(line for name, middle in STATES.items() for line in _box(name, middle, "state")),
        *(line for name, middle in _NOTES for line in _box(name, middle, "note middle", "other")),
        *(line for arrow in ARROWS for line in _label(arrow)),
        *_text(30, 612, "Gone with", "note"),
        *_text(105, 612, ", ".join(REMOVING), "script"),
        "</svg>",
        "",
    ])  # fmt: skip


def _ground() -> Iterator[str]:
    yield '<rect class="group" x="240" y="212" width="248" height="262" rx="12"/>'
    yield from _text(252, 232, "ready", "note")
    yield '<circle cx="40" cy="270" r="7"/>'


def _box(name: str, middle: tuple[int, int], kind: str, frame: str = "") -> Iterator[str]:
    (x, y), (half_width, half_height) = middle, _HALF
    place = f'x="{x - half_width}" y="{y - half_height}" width="{2 * half_width}" height="{2 * half_height}" rx="8"'
    yield f'<rect class="{frame}" {place}/>' if frame else f"<rect {place}/>"
    yield from _text(x, y + 5, name, kind)


def _label(arrow: Arrow) -> Iterator[str]:
    x, y = arrow.at
    if arrow.anchor == "inline":
        yield from _text(x, y, ", ".join(arrow.scripts), "script")
        return
    for number, script in enumerate(arrow.scripts):
        yield from _text(x, y + number * _LINE_HEIGHT, script, f"script {arrow.anchor}")
    if arrow.remark:
        yield from _text(x, y + len(arrow.scripts) * _LINE_HEIGHT, arrow.remark, f"note {arrow.anchor}")


def _text(x: int, y: int, words: str, kind: str) -> Iterator[str]:
    yield f'<text class="{kind}" x="{x}" y="{y}">{escape(words)}</text>'


def main(arguments: list[str]) -> int:
    """Write the picture, or with ``--check`` say whether it is what would be written; return the exit code."""
    if "--check" not in arguments:
        FILE.write_text(drawing(), encoding="utf-8")
    elif FILE.read_text(encoding="utf-8") != drawing():
        print(f"{FILE.relative_to(ROOT)} is not what lifecycle.py draws; run it")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
