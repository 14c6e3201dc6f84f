"""Be the `oxmq` command: `python -m oxmq`."""

from __future__ import annotations

from oxmq.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
