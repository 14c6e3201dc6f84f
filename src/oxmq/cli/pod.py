"""Be the process of a pod: find the task where the pod's image has it, and run its job."""

from __future__ import annotations

import sys
from pathlib import Path

from msgspec import Struct

from oxmq.cli.terminal.screen import fail
from oxmq.errors import BackendError
from oxmq.kubernetes.pod import EXIT_UNREACHABLE, run_job
from oxmq.logs import chosen_format, configure_logging


class PodSettings(Struct, frozen=True):
    """Hold what the pod was told: the task as ``module:function``, and which run of which job of it to do."""

    target: str
    queue: str
    job: str
    run: int
    patience: float
    log_level: str


def run_pod(settings: PodSettings) -> int:
    """Run the job, and return the exit code.

    Raises:
        ConfigurationError: there is no such task, or it has another queue.
    """
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    configure_logging(chosen_format(), settings.log_level)
    try:
        return run_job(settings.target, settings.queue, settings.job, settings.run, settings.patience)
    except BackendError as error:
        fail(str(error))
        return EXIT_UNREACHABLE
