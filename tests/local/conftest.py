"""A simulator of its own for the tests of the simulator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local.simulator.client import running
from tests.local.customer import CONFIG, Customer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.simulator.client import Simulator


@pytest.fixture(scope="session")
def provider_process() -> Iterator[Simulator]:
    """One process for all tests of a run."""
    with running(CONFIG) as provider:
        yield provider


@pytest.fixture
def provider(provider_process: Simulator) -> Iterator[Simulator]:
    """A provider that knows one customer with one agent and no limits; what the test configures is undone."""
    provider_process.reset()
    usual = provider_process.config()
    yield provider_process
    provider_process.configure(**usual)


@pytest.fixture
def customer(provider: Simulator) -> Iterator[Customer]:
    """That customer."""
    with Customer(provider.base_url) as customer:
        yield customer
