"""Define ``manage.py oxmq_worker``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from oxmq.integrations.django.management.hand_over import TARGET, HandOver


class Command(HandOver):
    """Run the project's jobs: ``oxmq worker``."""

    help = "Run the project's jobs until SIGTERM or Ctrl-C: oxmq worker, for this project."
    options: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "--queues": {"help": "The queues to work, with commas between; else all."},
        "--concurrency": {"type": int, "help": "How many jobs of each queue may run at once; else 10."},
        "--concurrency-kubernetes": {"type": int, "help": "How many jobs may run in pods besides, over all queues."},
        "--grace": {"help": "How long running jobs may take after the signal to stop; else 30s."},
        "--processes": {"type": int, "help": "How many processes, each with that concurrency; else 1."},
        "--reload": {"action": "store_true", "help": "Start afresh whenever a Python file changes, in development."},
        "--health": {"metavar": "[HOST:]PORT", "help": "Answer probes and /drain there, one process only."},
        "--log-level": {"choices": ["debug", "info", "warning", "error"], "help": "Which log messages to print."},
        "--log-format": {"choices": ["text", "json"], "help": "How to print them."},
        "--otel": {"action": "store_true", "help": "Send spans and metrics with OpenTelemetry."},
    }

    def handle(self, *args: object, **options: object) -> None:
        """Go on as ``oxmq worker``."""
        self.hand_over("worker", TARGET, given=options)
