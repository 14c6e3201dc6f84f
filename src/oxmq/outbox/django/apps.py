"""Tell Django about the outbox's model."""

from __future__ import annotations

from django.apps import AppConfig


class OutboxConfig(AppConfig):
    """Have one table, made by `manage.py migrate`."""

    name = "oxmq.outbox.django"
    label = "oxmq_outbox"
    verbose_name = "oxmq outbox"
