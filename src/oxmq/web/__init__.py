"""Serve the HTTP API and the dashboard."""

from oxmq.web.access import Access, Grant, Login, Role, Token
from oxmq.web.app import oxmq_web
from oxmq.web.redaction import Redaction

__all__ = ["Access", "Grant", "Login", "Redaction", "Role", "Token", "oxmq_web"]
