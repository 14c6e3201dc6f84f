"""Write jobs in a transaction of Django's: add ``"oxmq.outbox.django"`` to ``INSTALLED_APPS`` and migrate."""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("django") is None:
    raise ImportError('the outbox for Django needs Django: pip install "oxmq[django]"')

from oxmq.outbox.django.outbox import Outbox

__all__ = ["Outbox"]
