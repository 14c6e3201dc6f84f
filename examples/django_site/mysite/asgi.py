"""Serve the project, and the dashboard beside it to staff: uvicorn mysite.asgi:application."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
django_application = get_asgi_application()

from oxmq.integrations.django.dashboard import with_dashboard  # noqa: E402 - Django must be set up first

application = with_dashboard(django_application, "/oxmq")
