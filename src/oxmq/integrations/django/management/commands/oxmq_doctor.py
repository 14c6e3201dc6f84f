"""Define ``manage.py oxmq_doctor``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from oxmq.integrations.django import app
from oxmq.integrations.django.management.hand_over import HandOver


class Command(HandOver):
    """Examine the project's server and queues: ``oxmq doctor``."""

    help = "Examine the project's server and its queues: oxmq doctor. Exits with 1 when there is an error."
    options: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "--queue": {"action": "append", "help": "A queue to examine; may be repeated. Else all."},
        "--max-keys": {"type": int, "help": "How many keys of queues to look at in all."},
        "--kubernetes": {"action": "store_true", "help": "Examine the cluster of heavy jobs as well."},
        "--namespace": {"action": "append", "help": "Where heavy jobs run, with --kubernetes; may be repeated."},
        "--json": {"action": "store_true", "help": "Print one JSON document, for programs."},
    }

    def handle(self, *args: object, **options: object) -> None:
        """Go on as ``oxmq doctor``."""
        # In the environment, for lists of processes show arguments, and there may be a password in it.
        environment = {"OXMQ_URL": str(app.endpoint.source)}
        self.hand_over("doctor", f"--prefix={app.prefix}", given=options, environment=environment)
