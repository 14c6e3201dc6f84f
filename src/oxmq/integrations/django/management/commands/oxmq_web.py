"""Define ``manage.py oxmq_web``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from oxmq.integrations.django.management.hand_over import TARGET, HandOver


class Command(HandOver):
    """Serve the HTTP API and the dashboard of the project's queues: ``oxmq web``."""

    help = (
        "Serve the HTTP API and the dashboard until SIGTERM or Ctrl-C: oxmq web, for this project. Who may come in is "
        "set up with OXMQ_WEB_TOKENS and OXMQ_WEB_LOGINS; else only this computer."
    )
    options: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "--host": {"help": "The address to serve at; else 127.0.0.1."},
        "--port": {"type": int, "help": "The port; 0 for any that is free, else 6967."},
        "--redact": {"action": "append", "metavar": "PATTERN", "help": "Show no values of keys that match it, either."},
        "--root-path": {"help": "The path that a proxy in front takes off."},
        "--forwarded-allow-ips": {"metavar": "IPS", "help": "Proxies that are believed in who asks."},
        "--log-level": {"choices": ["debug", "info", "warning", "error"], "help": "Which log messages to print."},
        "--log-format": {"choices": ["text", "json"], "help": "How to print them."},
        "--otel": {"action": "store_true", "help": "Send spans and metrics with OpenTelemetry."},
    }

    def handle(self, *args: object, **options: object) -> None:
        """Go on as ``oxmq web``."""
        self.hand_over("web", TARGET, given=options)
