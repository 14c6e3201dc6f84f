"""Make oxmq a part of a Flask application: its context in jobs, its configuration, its command line."""

try:
    import flask as _  # noqa: F401 - only to see whether it is installed
except ModuleNotFoundError as error:
    raise ImportError('oxmq.integrations.flask needs Flask: pip install "oxmq[flask]"') from error

from oxmq.integrations.flask.extension import OxmqFlask, accepted

__all__ = ["OxmqFlask", "accepted"]
