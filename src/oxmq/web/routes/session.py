"""Say who asks, and let browsers sign in with a token."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, Field

from oxmq.web.access import COOKIE, Grant, Role
from oxmq.web.context import CurrentSite, Viewer, web_context
from oxmq.web.params import Body

router = APIRouter(tags=["session"])


class Session(BaseModel):
    """Say what the sender of the request may do."""

    role: Role
    user: str = Field(examples=["ada"])
    queues: list[str] | None = Field(description="The only queues that it may see; null for all.")
    auth: str = Field(description="How it showed who it is: none, token, cookie, basic or host.", examples=["token"])
    prefix: str = Field(description="With what all keys begin.", examples=["bull"])
    version: str = Field(description="The version of oxmq that answers.", examples=["0.1.0"])


class SignIn(Body):
    """Show a token."""

    token: str = Field(min_length=1, max_length=1024)


@router.get("/api/session")
async def get_session(grant: Viewer, site: CurrentSite) -> Session:
    """Say who asks and what they may do."""
    return _session(grant, site.prefix)


@router.post("/api/session")
async def sign_in(body: SignIn, request: Request, response: Response, site: CurrentSite) -> Session:
    """Exchange a token for a cookie, so that a browser may follow events: it cannot send a token with them."""
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise HTTPException(403, "Sign in from this site's own pages.")
    token = web_context(request).access.token(body.token)
    if token is None:
        raise HTTPException(401, "The token is not valid.")
    response.set_cookie(
        COOKIE, token.session, path=_cookie_path(request), secure=request.url.scheme == "https", httponly=True,
        samesite="strict",
    )  # fmt: skip
    return _session(token.grant("cookie"), site.prefix)


@router.delete("/api/session", status_code=204)
async def sign_out(request: Request, response: Response) -> None:
    """Forget the cookie."""
    response.delete_cookie(COOKIE, path=_cookie_path(request), httponly=True, samesite="strict")


def _cookie_path(request: Request) -> str:
    return request.scope.get("root_path") or "/"


def _session(grant: Grant, prefix: str) -> Session:
    queues = None if grant.queues is None else sorted(grant.queues)
    return Session(
        role=grant.role, user=grant.user, queues=queues, auth=grant.auth, prefix=prefix, version=version("oxmq")
    )
