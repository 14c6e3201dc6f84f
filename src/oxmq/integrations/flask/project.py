"""Load the Flask application that $FLASK_APP names, as the ``flask`` command does, for a process of ``oxmq``."""

from __future__ import annotations

import os

from flask.cli import ScriptInfo

from oxmq.errors import ConfigurationError
from oxmq.integrations.flask.extension import EXTENSION, OxmqFlask

_extension = ScriptInfo(os.environ.get("FLASK_APP")).load_app().extensions.get(EXTENSION)
if not isinstance(_extension, OxmqFlask):
    raise ConfigurationError("the Flask application has no Oxmq: make it a part with OxmqFlask(flask_app, oxmq_app)")

app = _extension.oxmq
