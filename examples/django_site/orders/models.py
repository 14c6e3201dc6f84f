"""Describe what the database holds."""

from django.db import models


class Order(models.Model):
    """An order; its receipt is written by a job."""

    item = models.CharField(max_length=100)
    receipt = models.TextField(default="")
    placed_at = models.DateTimeField(auto_now_add=True)
