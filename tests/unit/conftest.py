from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared import database
from shared.settings import settings
from tests.servers import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers import Served


@pytest.fixture
def postgrest(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A scripted PostgREST, for the answers that the real one does not give when asked to."""
    with serving(lambda _: (200, b'{"ok": true}')) as served:
        for name, value in {
            "SUPABASE_URL": "https://project.example",
            "SUPABASE_REST_URL": served.url,
            "SUPABASE_ANON_KEY": "anon",
            "SUPABASE_SERVICE_ROLE_KEY": "service",
            "FUNCTIONS_URL": "https://functions.example",
        }.items():
            monkeypatch.setenv(name, value)
        database.close()  # a client of the tests before has another address
        settings.cache_clear()
        yield served
        database.close()
        settings.cache_clear()
