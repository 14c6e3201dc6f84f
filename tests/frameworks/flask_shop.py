"""A Flask application that accepts work: $FLASK_OXMQ_URL says where Redis is."""

from __future__ import annotations

import threading

from flask import Flask, Response, current_app, g, url_for

from oxmq import Oxmq
from oxmq.integrations.flask import OxmqFlask, accepted

oxmq = Oxmq("redis://127.0.0.1:1")  # nobody is there: the configuration says better
extension = OxmqFlask(oxmq_app=oxmq)
ended: list[str] = []
in_thread = threading.local()


@oxmq.task
def shout(word: str) -> list[object]:
    """Return what is found around a job in a thread, the word that the job before left there included."""
    g.word = word
    before, in_thread.word = getattr(in_thread, "word", ""), word
    return [word.upper(), current_app.config["SHOP"], len(ended), before]


@oxmq.task
async def whisper(word: str) -> list[object]:
    """Return what is found around a job on the event loop."""
    g.word = word
    return [word.lower(), current_app.config["SHOP"], len(ended)]


def create_app() -> Flask:
    """Make the application."""
    flask_app = Flask(__name__)
    flask_app.config["SHOP"] = "Ox & Sons"
    flask_app.config.from_prefixed_env()
    extension.init_app(flask_app)

    @flask_app.teardown_appcontext
    def note_end(error: BaseException | None) -> None:
        ended.append(g.get("word", ""))
        in_thread.word = ""  # as a session of SQLAlchemy's is removed

    @flask_app.post("/shout/<word>")
    def order(word: str) -> Response:
        return accepted(shout.enqueue_sync(word), location=url_for("tell"))

    @flask_app.post("/whisper/<word>")
    def order_quietly(word: str) -> Response:
        return accepted(whisper.enqueue_sync(word))

    @flask_app.get("/")
    def tell() -> str:
        return "shop"

    return flask_app
