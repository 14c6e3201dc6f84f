"""Define ``flask oxmq worker`` and ``flask oxmq web``: the commands of ``oxmq``, for a Flask application."""

from __future__ import annotations

import os

import click
from flask.cli import AppGroup, ScriptInfo

from oxmq.integrations.oxmq_command import become_oxmq

#: Where a process of ``oxmq`` finds the `Oxmq` of the Flask application that $FLASK_APP names.
_TARGET = "oxmq.integrations.flask.project:app"

commands = AppGroup("oxmq", help="Run background jobs, and watch them.")


def _add(name: str, words: str) -> None:
    @commands.command(name, help=words, add_help_option=False, context_settings={"ignore_unknown_options": True})
    @click.argument("options", nargs=-1, type=click.UNPROCESSED)
    @click.pass_context
    def run(context: click.Context, options: tuple[str, ...]) -> None:
        import_path = context.ensure_object(ScriptInfo).app_import_path
        if import_path is not None:
            os.environ["FLASK_APP"] = import_path
        become_oxmq(name, _TARGET, *options)


_add("worker", "Run the application's jobs; takes the options of `oxmq worker`.")
_add("web", "Serve the HTTP API and the dashboard; takes the options of `oxmq web`.")
