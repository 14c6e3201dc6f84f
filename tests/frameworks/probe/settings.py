"""Configure the example's project with an application of the tests, and Django's tasks."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import django

# The example is no part of what is checked; its settings are these, too.
_project: Any = import_module("mysite.settings")
globals().update({name: getattr(_project, name) for name in dir(_project) if name.isupper()})

INSTALLED_APPS = [*_project.INSTALLED_APPS, "tests.frameworks.probe"]
if django.VERSION < (6, 0):
    INSTALLED_APPS.append("django_tasks")

OXMQ = {**_project.OXMQ, "TASK_MODULES": ["tests.frameworks.probe.letters"]}

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # the usual ones take their time, on purpose

TASKS = {
    "default": {
        "BACKEND": "oxmq.integrations.django.OxmqBackend",
        "QUEUES": ["default", "letters"],
        "OPTIONS": {"attempts": 1},
    },
    "hasty": {
        "BACKEND": "oxmq.integrations.django.OxmqBackend",
        "QUEUES": ["default"],
        "OPTIONS": {"attempts": 2, "backoff": 0.05, "on_commit": False},
    },
    "patient": {
        "BACKEND": "oxmq.integrations.django.OxmqBackend",
        "QUEUES": ["patient"],
        "OPTIONS": {"attempts": 2, "backoff": 0.05, "on_commit": False},
    },
}
