"""The pages: each is a frame whose module asks the API for what it shows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from edge_agent.errors import EdgeAgentError
from edge_agent.studio.access.guard import Guard
from edge_agent.studio.access.users import User
from edge_agent.studio.api.answers import refusal, secured
from edge_agent.studio.pages.words import LANGUAGES, choose_language, words
from edge_agent.version import __version__

_HERE = Path(__file__).parent
LANGUAGE_COOKIE = "edge_agent_language"
#: path, template
_PAGES = (
    ("/", "projects"),
    ("/projects/{project}", "pictures"),
    ("/projects/{project}/paint/{picture:int}", "paint"),
    ("/projects/{project}/models", "models"),
    ("/projects/{project}/try", "try"),
    ("/live", "live"),
    ("/lines", "lines"),
    ("/lines/{line}", "line"),
    ("/lines/{line}/edit", "line-edit"),
    ("/new-line", "line-edit"),
    ("/dashboard", "dashboard"),
    ("/records", "records"),
    ("/device", "device"),
    ("/jobs", "jobs"),
)


class Pages:
    """Renders the pages for whoever may see them."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._templates = Environment(
            loader=FileSystemLoader(_HERE / "templates"), autoescape=select_autoescape(), undefined=StrictUndefined,
            trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip

    def routes(self) -> list[Route | Mount]:
        """Give the routes."""
        pages = [Route(path, self._page(name)) for path, name in _PAGES]
        return [
            *pages,
            Route("/sign-in", self._sign_in),
            Route("/words/{language}.json", self._words),
            Mount("/static", _Static(directory=_HERE / "static")),
        ]

    def _page(self, name: str) -> Callable[[Request], Awaitable[Response]]:
        async def page(request: Request) -> Response:
            try:
                user = await run_in_threadpool(self._guard.who, request.method, request.headers, request.cookies)
            except EdgeAgentError as error:
                return secured(refusal(error))
            if user is None:
                return secured(RedirectResponse(f"/sign-in?next={request.url.path}", 303))
            return self._render(request, name, user)

        return page

    async def _sign_in(self, request: Request) -> Response:
        if self._guard.open:
            return secured(RedirectResponse("/", 303))
        return self._render(request, "sign-in", None)

    def _render(self, request: Request, name: str, user: User | None) -> Response:
        language = choose_language(request.cookies.get(LANGUAGE_COOKIE, ""), request.headers.get("accept-language", ""))
        known = words(language)
        html = self._templates.get_template(f"{name}.html").render(
            page=name, w=known, language=language, languages=LANGUAGES, user=user, open=self._guard.open,
            path=dict(request.path_params), version=__version__,
        )  # fmt: skip
        return secured(HTMLResponse(html, headers={"cache-control": "no-store"}))

    async def _words(self, request: Request) -> Response:
        language = choose_language(request.path_params["language"], "")
        return secured(JSONResponse(dict(words(language)), headers={"cache-control": "no-cache"}))


class _Static(StaticFiles):
    """Scripts and styles, asked for again each time: a new version of the program brings new ones."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["cache-control"] = "no-cache"
        return secured(response)
