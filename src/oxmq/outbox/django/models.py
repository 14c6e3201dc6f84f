"""Define the outbox's table for Django."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from oxmq.outbox.row import MAX_PREFIX


class OutboxJob(models.Model):
    """Hold a job until it is in Redis. The fields are those of `OutboxRow`."""

    id: models.CharField[str, str] = models.CharField(primary_key=True, max_length=36)
    job_id: models.CharField[str, str] = models.CharField(max_length=200)
    prefix: models.CharField[str, str] = models.CharField(max_length=MAX_PREFIX)
    queue: models.CharField[str, str] = models.CharField(max_length=128)
    name: models.CharField[str, str] = models.CharField(max_length=1024)
    data: models.TextField[str, str] = models.TextField()
    opts: models.TextField[str, str] = models.TextField()
    relations: models.TextField[str, str] = models.TextField(blank=True)
    timestamp: models.BigIntegerField[int, int] = models.BigIntegerField()
    created_ms: models.BigIntegerField[int, int] = models.BigIntegerField()
    due_ms: models.BigIntegerField[int, int] = models.BigIntegerField(default=0)
    attempts: models.IntegerField[int, int] = models.IntegerField(default=0)
    last_error: models.TextField[str, str] = models.TextField(blank=True)

    class Meta:
        db_table = "oxmq_outbox"
        ordering: ClassVar[list[str]] = ["due_ms", "id"]
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["due_ms", "id"], name="ix_oxmq_outbox_due")]

    def __str__(self) -> str:
        return f"job {self.job_id} of queue {self.queue}"
