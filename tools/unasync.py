"""Write `oxmq.sync` from `oxmq.client`: the same code without awaiting.

python tools/unasync.py           write the twins
python tools/unasync.py --check   fail if a twin is not what would be written
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE, TARGET = ROOT / "src/oxmq/client", ROOT / "src/oxmq/sync"
TWINS = (
    "closing.py",
    "context.py",
    "explanations.py",
    "flow_producer.py",
    "iterations.py",
    "job.py",
    "listeners.py",
    "job_family.py",
    "job_view.py",
    "queue.py",
    "queue_administration.py",
    "queue_events.py",
    "queue_getters.py",
    "queue_handle.py",
    "queue_schedulers.py",
    "removal.py",
)
HEADER = "# Written by tools/unasync.py from oxmq/client/{name}; change that file, not this one.\n"

#: What stands in the source, and what stands for it in the twin. Each must occur somewhere.
CHANGES = {
    r"\basync (def|with|for)\b": r"\1",
    r"\bawait ": "",
    r"\bAsyncRunner\b": "SyncRunner",
    r"\boxmq\.transport\.runner\b": "oxmq.transport.sync_runner",
    r"\boxmq\.transport\.stream\b": "oxmq.transport.sync_stream",
    r"\boxmq\.client\b": "oxmq.sync",
    r"\b__aenter__\b": "__enter__",
    r"\b__aexit__\b": "__exit__",
    r"\b__aiter__\b": "__iter__",
    r"\b__anext__\b": "__next__",
    r"\bStopAsyncIteration\b": "StopIteration",
}


def twin(name: str, used: set[str]) -> str:
    """Return the blocking twin of a module, noting which changes it needed."""
    text = (SOURCE / name).read_text()
    for pattern, replacement in CHANGES.items():
        text, count = re.subn(pattern, replacement, text)
        if count:
            used.add(pattern)
    return formatted(HEADER.format(name=name) + text, TARGET / name)


def formatted(text: str, path: Path) -> str:
    """Return `text` with imports sorted and lines laid out as the linter wants them."""
    ruff = [sys.executable, "-m", "ruff"]
    for verb in (["check", "--select", "I", "--fix", "--quiet"], ["format", "--quiet"]):
        command = [*ruff, *verb, "--stdin-filename", str(path), "-"]
        text = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
    return text


def main() -> int:
    used: set[str] = set()
    twins = {TARGET / name: twin(name, used) for name in TWINS}
    if unused := CHANGES.keys() - used:
        print("changes that nothing needs any more:", ", ".join(sorted(unused)))
        return 1
    stale = [path for path, text in twins.items() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is not what {Path(__file__).name} writes; run it")
        return 1 if stale else 0
    for path in stale:
        path.write_text(twins[path])
    return 0


if __name__ == "__main__":
    sys.exit(main())
