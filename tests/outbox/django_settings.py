"""Be the settings of a Django site that has nothing but the outbox, on the database that the environment names."""

from __future__ import annotations

import json
import os
from typing import Any

SECRET_KEY = "for tests"
INSTALLED_APPS = ["oxmq.outbox.django"]
USE_TZ = True
DATABASES: dict[str, Any] = json.loads(os.environ.get("TEST_DATABASES", "{}")) or {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
}
DATABASE_ROUTERS = json.loads(os.environ.get("TEST_ROUTERS", "[]"))
