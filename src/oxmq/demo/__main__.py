"""Run the demo with `python -m oxmq.demo`."""

from __future__ import annotations

import argparse
from pathlib import Path

from oxmq.demo import run


def main() -> int:
    """Parse the command line, run the demo and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m oxmq.demo", description="The same work, inline and queued.")
    parser.add_argument("--once", action="store_true", help="exit after the report")
    parser.add_argument("--directory", type=Path, default=Path(".oxmq/demo"), help="where the demo keeps its files")
    parser.add_argument("--requests", type=int, default=24, help="requests for each operation and way")
    arguments = parser.parse_args()
    return run(arguments.once, arguments.directory, arguments.requests)


if __name__ == "__main__":
    raise SystemExit(main())
