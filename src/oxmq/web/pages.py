"""Serve the dashboard: one page, whose address the browser's history changes, and its assets."""

from __future__ import annotations

import mimetypes
from html import escape
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Match, Route
from starlette.types import Scope

#: What the page has in place of the address under which it is served.
_BASE: Final = "__BASE__"
_FOLDER: Final = Path(__file__).parent / "dashboard"
#: Where there is no page: what is not found there is an error.
_NO_PAGES: Final = ("api", "assets", "metrics", "health", "openapi.json")
#: Compressed forms of an asset, the best first.
_ENCODINGS: Final = {"br": ".br", "gzip": ".gz"}
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_NOT_BUILT: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>oxmq</title>
<h1>The dashboard was not built</h1><p>This installation of oxmq was made without it. The HTTP API works.</p></html>"""


def serve_pages(api: FastAPI) -> None:
    """Serve the dashboard at every address that nothing else of the application has."""
    # Plain routes: whatever parameters an address of the dashboard has are its own business.
    api.router.routes.append(Route("/assets/{name}", _asset))
    api.router.routes.append(_Pages("/{path:path}", _page))


class _Pages(Route):
    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match what looks like the address of a page."""
        match, found = super().matches(scope)
        parts = str(found.get("path_params", {}).get("path", "")).strip("/").split("/")
        is_none = parts[0] in _NO_PAGES or (len(parts) == 1 and "." in parts[0])
        return (Match.NONE, {}) if is_none else (match, found)


def _page(request: Request) -> Response:
    try:
        page = (_FOLDER / "index.html").read_text(encoding="utf-8")
    except FileNotFoundError:
        return HTMLResponse(_NOT_BUILT)
    base = f"{request.scope.get('root_path', '').rstrip('/')}/"
    return HTMLResponse(page.replace(_BASE, escape(base)), headers={"Cache-Control": "no-cache"})


def _asset(request: Request) -> Response:
    name: str = request.path_params["name"]
    path = _FOLDER / "assets" / name
    if path.parent != _FOLDER / "assets" or path.suffix in _ENCODINGS.values() or not path.is_file():
        raise HTTPException(404, f"There is no asset {name!r}.")
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    headers = {"Cache-Control": _FOR_EVER, "Vary": "Accept-Encoding"}
    accepted = _accepted(request.headers.get("accept-encoding", ""))
    for encoding, suffix in _ENCODINGS.items():
        compressed = path.with_name(name + suffix)
        if encoding in accepted and compressed.is_file():
            return FileResponse(compressed, media_type=kind, headers=headers | {"Content-Encoding": encoding})
    return FileResponse(path, media_type=kind, headers=headers)


def _accepted(header: str) -> set[str]:
    offers = [offer.replace(" ", "").lower().partition(";q=") for offer in header.split(",")]
    return {encoding for encoding, _, quality in offers if quality.strip("0.") or not quality}
