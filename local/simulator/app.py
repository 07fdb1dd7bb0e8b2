"""The simulator as an ASGI application."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from local.simulator import api, control, resources
from local.simulator.http import Json
from local.simulator.world import World

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.requests import Request
    from starlette.responses import Response

    from local.simulator.config import Config


def application(config: Config) -> Starlette:
    """Everything on one event loop; its state belongs to that loop alone."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        app.state.world = World(config)
        yield
        await app.state.world.webhooks.close()

    routes = [*api.ROUTES, *resources.ROUTES, *control.ROUTES]
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers={HTTPException: _http_error})
    # The provider's paths have no trailing slash, and it does not redirect to them either.
    app.router.redirect_slashes = False
    return app


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # the table above sends nothing else here
    sentence = f'Method "{request.method}" not allowed.' if error.status_code == 405 else "Not found."
    return Json({"detail": sentence}, error.status_code, error.headers)
