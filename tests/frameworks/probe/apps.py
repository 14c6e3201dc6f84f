"""Tell Django of the tests' application."""

from django.apps import AppConfig


class ProbeConfig(AppConfig):
    """Hold tasks that say what they find around them."""

    name = "tests.frameworks.probe"
    label = "probe"
