"""Fixtures of every scenario's probes: the people who use the server."""

from collections.abc import Callable

import pytest
from testinfra.host import Host

import throwaway_backend
from pmm_client import PMMClient

throwaway_backend.register()

HEALTH = "http://localhost:3001/health"


@pytest.fixture
def wait_until_healthy(host: Host) -> Callable[[], None]:
    """Return a function that returns when the service answers, and fails when it does not within half a minute."""

    def wait() -> None:
        asked = host.run(f"curl --fail --silent --show-error --retry 30 --retry-delay 1 --retry-all-errors {HEALTH}")
        assert asked.rc == 0, asked.stderr

    return wait


@pytest.fixture
def alice(host: Host) -> PMMClient:
    """Return a client logged in as alice."""
    return PMMClient(host, "alice")


@pytest.fixture
def bob(host: Host) -> PMMClient:
    """Return a client logged in as bob, a viewer."""
    return PMMClient(host, "bob")


@pytest.fixture
def anonymous(host: Host) -> PMMClient:
    """Return a client without a login."""
    return PMMClient(host)
