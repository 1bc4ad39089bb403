"""Launcher: `streamlit run app.py` finds the `st.App` below and serves it.

The Streamlit script itself is `pages/main.py`. A folder `pages/` beside the *script* would switch Streamlit to its legacy
multipage mode, which runs `pages/x.py` without the shell; beside this launcher it is harmless.
"""

import asyncio
import ctypes
import gc
from contextlib import asynccontextmanager, suppress

import streamlit as st
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pages._cookie import BrowserCookie

COLLECT_SECONDS = 30


async def _collect() -> None:
    """Collect garbage now and then: Streamlit would do it after every script run, for 0.2 s with the GIL held.

    Every script run is a thread, and glibc keeps what each thread freed for later: it is given back to the system here.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", lambda pad: None)  # glibc only
    while True:
        await asyncio.sleep(COLLECT_SECONDS)
        gc.collect()
        await asyncio.to_thread(trim, 0)


@asynccontextmanager
async def lifespan(app: st.App):
    from pages._state import jobs, shelf, warm  # only now: caches need the runtime

    await asyncio.to_thread(warm)
    gc.collect()
    gc.freeze()  # what is alive now (torch, the engine) never dies: later collections need not walk it
    collector = asyncio.create_task(_collect())
    yield {}
    collector.cancel()
    with suppress(asyncio.CancelledError):
        await collector
    jobs().close()  # before the projects that they read
    shelf().close()


def plane(request: Request) -> Response:  # a plain function: Starlette runs it in a worker thread
    from pages._planes import answer
    from pages._state import shelf

    return answer(shelf().project, **request.path_params)


def exported(request: Request) -> Response:
    from pages._exports import answer
    from pages._state import shelf

    return answer(shelf().names(), **request.path_params)


_base = (st.get_option("server.baseUrlPath") or "").strip("/")
_api = f"{'/' if _base else ''}{_base}/api/{{token}}/{{project}}"
routes = [Route(f"{_api}/{{sample}}/{{what}}/{{state}}/{{axis:int}}/{{index:int}}", plane), Route(f"{_api}/exports/{{name}}", exported)]
app = st.App("pages/main.py", routes=routes, lifespan=lifespan, middleware=[Middleware(BrowserCookie)])

if __name__ == "__main__":
    app.run()
