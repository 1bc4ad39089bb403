"""A cookie that names the browser, so that it finds its work again after a reload or a restart of the server. No Streamlit in here.

It says nothing about the person and opens nothing: it only picks the file that `_resume` keeps in the home folder.
"""

import re
import secrets

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

NAME = "parmesan-browser"
KNOWN = re.compile(r"[0-9a-f]{32}")
YEAR = 365 * 86_400


class BrowserCookie:
    """Middleware that gives the cookie to a browser that has none when it loads a page."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or KNOWN.fullmatch(HTTPConnection(scope).cookies.get(NAME, "")):
            await self.app(scope, receive, send)
            return

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):  # pages only: parts of one must not get different names
                    headers.append("set-cookie", f"{NAME}={secrets.token_hex(16)}; Max-Age={YEAR}; Path=/; HttpOnly; SameSite=Lax")
                    headers["cache-control"] = "no-store"
            await send(message)

        await self.app(scope, receive, marked)
