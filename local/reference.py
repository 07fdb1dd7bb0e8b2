"""The reference of the endpoints as a page at `/docs`: docs/openapi.json in Swagger UI, all of it from this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from local.processes import ROOT

if TYPE_CHECKING:
    from starlette.requests import Request

DOCUMENT = ROOT / "docs" / "openapi.json"
VIEWER = ROOT / "node_modules" / "swagger-ui-dist"
ASSETS = frozenset({"swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"})
# The page may load nothing, and ask nobody, but this server. The viewer styles by attribute and shows inline pictures.
POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
START = """window.onload = () => {
  SwaggerUIBundle({ url: "/docs/openapi.json", dom_id: "#reference", deepLinking: true, validatorUrl: null });
};
"""
PAGE = """<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Batchline: reference</title>
    <link rel="icon" href="/docs/favicon-32x32.png">
    <link rel="stylesheet" href="/docs/swagger-ui.css">
  </head>
  <body>
    <div id="reference"></div>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script src="/docs/start.js"></script>
  </body>
</html>
"""


def application() -> Starlette:
    """What stands under `/docs`."""
    return Starlette(
        routes=[
            Route("/", page),
            Route("/start.js", _start),
            Route("/openapi.json", _document),
            Route("/{name}", _asset),
        ]
    )


async def page(_request: Request) -> Response:
    """The page itself; every path in it is absolute, so that `/docs` and `/docs/` are the same."""
    return HTMLResponse(PAGE, headers={"Content-Security-Policy": POLICY})


async def _start(_request: Request) -> Response:
    return Response(START, media_type="text/javascript")


async def _document(_request: Request) -> Response:
    return FileResponse(DOCUMENT, media_type="application/json", headers={"Cache-Control": "no-cache"})


async def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in ASSETS:
        return JSONResponse({"message": "Not Found"}, 404)
    return FileResponse(VIEWER / name)
