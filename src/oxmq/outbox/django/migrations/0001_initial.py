"""Make the outbox's table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from django.db import migrations, models
from django.db.migrations.operations.base import Operation


class Migration(migrations.Migration):
    """Make the outbox's table."""

    initial = True
    dependencies: ClassVar[Sequence[tuple[str, str]]] = []
    operations: ClassVar[Sequence[Operation]] = [
        migrations.CreateModel(
            name="OutboxJob",
            fields=[
                ("id", models.CharField(max_length=36, primary_key=True, serialize=False)),
                ("job_id", models.CharField(max_length=200)),
                ("prefix", models.CharField(max_length=255)),
                ("queue", models.CharField(max_length=128)),
                ("name", models.CharField(max_length=1024)),
                ("data", models.TextField()),
                ("opts", models.TextField()),
                ("relations", models.TextField(blank=True)),
                ("timestamp", models.BigIntegerField()),
                ("created_ms", models.BigIntegerField()),
                ("due_ms", models.BigIntegerField(default=0)),
                ("attempts", models.IntegerField(default=0)),
                ("last_error", models.TextField(blank=True)),
            ],
            options={
                "db_table": "oxmq_outbox",
                "ordering": ["due_ms", "id"],
                "indexes": [models.Index(fields=["due_ms", "id"], name="ix_oxmq_outbox_due")],
            },
        ),
    ]
