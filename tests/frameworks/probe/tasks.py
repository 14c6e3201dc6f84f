"""Tasks that say what they find around them."""

from __future__ import annotations

# Before oxmq, so that a child process imports it only where Django is set up.
from django.contrib.auth.models import User  # isort: skip

from asgiref.sync import sync_to_async
from django.db import connection

from oxmq.integrations.django import task


@task(queue="probe")
def find_connection() -> bool:
    """Return whether the thread has a connection, and leave one there."""
    was_there = connection.connection is not None
    User.objects.count()
    assert connection.connection is not None
    return was_there


@task(queue="probe")
async def find_connection_asynchronously() -> bool:
    """Return whether the thread of asynchronous code has a connection, and leave one there."""
    was_there = await sync_to_async(lambda: connection.connection is not None)()
    await User.objects.acount()
    return was_there


@task(queue="probe", run="process")
def count_users_in_process() -> int:
    """Return how many users there are, from a child process."""
    return User.objects.count()
