"""The reference page: complete, and from this machine alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx
import pytest

from local.openapi import document

if TYPE_CHECKING:
    from local.stack import Stack


@pytest.mark.parametrize("path", ["/docs", "/docs/"])
def test_the_page_loads_nothing_from_elsewhere_and_all_that_it_names_is_there(stack: Stack, path: str) -> None:
    page = httpx.get(f"{stack.url}{path}")
    named = re.findall(r'(?:src|href)="([^"]+)"', page.text)

    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["content-security-policy"].startswith("default-src 'self'")
    assert len(named) == 4
    for asset in named:
        assert asset.startswith("/docs/")
        assert httpx.get(f"{stack.url}{asset}").status_code == 200


def test_the_page_shows_the_committed_document(stack: Stack) -> None:
    start = httpx.get(f"{stack.url}/docs/start.js").text
    (url,) = re.findall(r'url: "([^"]+)"', start)

    shown = httpx.get(f"{stack.url}{url}")

    assert shown.text == document.FILE.read_text()
    assert shown.headers["content-type"] == "application/json"


def test_nothing_else_of_the_package_is_served(stack: Stack) -> None:
    for path in ("/docs/package.json", "/docs/../package.json", "/docs/%2e%2e%2fpackage.json"):
        assert httpx.get(f"{stack.url}{path}").status_code == 404
