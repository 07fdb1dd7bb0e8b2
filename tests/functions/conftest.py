"""Handlers run in this process against the stack: its settings are in the environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local import keys
from shared import auth, database
from shared.settings import settings
from tests import factories
from tests.calling import claims

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from local.stack import Stack
    from tests.factories import Agency, Connection

    Sign = Callable[..., str]


@pytest.fixture(scope="session", autouse=True)
def _container(stack: Stack) -> Iterator[None]:  # noqa: ARG001 - its settings must be there first
    """What a Lambda container keeps between requests, from none to none."""
    forget()
    yield
    forget()


def forget() -> None:
    database.close()
    settings.cache_clear()
    auth.key_set.cache_clear()


@pytest.fixture(scope="session")
def sign(stack: Stack) -> Sign:
    """Makes a token for a user id, with changed claims where they are given."""
    known = keys.load_or_make(stack.folder / "keys.json")

    def sign(user_id: UUID, **changes: object) -> str:
        return known.sign(claims(user_id, f"{stack.url}/auth/v1", **changes))

    return sign


@pytest.fixture
def agency(db: Connection) -> Agency:
    return factories.make_agency(db)


@pytest.fixture
def owner(agency: Agency, sign: Sign) -> str:
    """The token of the agency's owner."""
    return sign(agency.owner)


@pytest.fixture
def member(agency: Agency, sign: Sign) -> str:
    """The token of a user who may read and not write."""
    return sign(agency.member)
