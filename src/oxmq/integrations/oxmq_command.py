"""Hand a framework's command over to the ``oxmq`` command."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import NoReturn

from oxmq.executors.child_task import child_environment


def become_oxmq(*arguments: str, environment: Mapping[str, str] | None = None) -> NoReturn:
    """Go on as ``oxmq`` with these arguments, in this process: signals and the exit code are its own.

    It finds the modules that this process finds.

    Args:
        arguments: its command line.
        environment: further environment variables.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    words = [sys.executable, "-m", "oxmq", *arguments]
    os.execve(sys.executable, words, {**child_environment(), **(environment or {})})  # noqa: S606 - this interpreter
