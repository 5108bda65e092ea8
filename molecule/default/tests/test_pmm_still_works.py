"""The rest of PMM, whose nginx configuration the deployment extended."""

import difflib

import pytest
from testinfra.host import Host

from pmm_client import PMMClient

PERMISSION_DENIED = 7
BOBS_FILTER = "WyJlbnZpcm9ubWVudD1kZW1vIl0="


def test_pmm_conf_gained_exactly_one_line(host: Host) -> None:
    """One include, and nothing else changed."""
    before = host.file("/root/before/pmm.conf").content_string.splitlines()
    after = host.file("/etc/nginx/conf.d/pmm.conf").content_string.splitlines()
    changes = [line for line in difflib.ndiff(before, after) if line[0] in "+-"]
    assert len(changes) == 1
    assert changes[0].startswith("+ ")
    assert "include /etc/nginx/aichat/locations.conf;" in changes[0]


@pytest.mark.parametrize("path", ["/v1/server/readyz", "/v1/readyz", "/ping"])
def test_readiness_needs_no_login(anonymous: PMMClient, path: str) -> None:
    """PMM's own health paths, old and new."""
    assert anonymous.get(path).json() == {}


def test_the_api_of_pmm_still_asks_for_a_login_and_answers_one(anonymous: PMMClient, bob: PMMClient) -> None:
    """`location /v1/` is as it was."""
    assert anonymous.get("/v1/server/version").status == 401
    assert bob.get("/v1/server/version").json()["version"] == "3.5.0"


def test_roles_still_count(alice: PMMClient, bob: PMMClient) -> None:
    """A viewer may not see the settings, an administrator may. PMM refuses with 401; the body has the reason."""
    refused = bob.get("/v1/server/settings")
    assert (refused.status, refused.json()["code"]) == (401, PERMISSION_DENIED)
    assert alice.get("/v1/server/settings").status == 200


@pytest.mark.parametrize("path", ["/v1/qan/metrics", "/prometheus/api/v1/query"])
def test_the_filter_of_label_based_access_still_arrives(bob: PMMClient, path: str) -> None:
    """PMM's server-level `auth_request_set` and `proxy_set_header` are not lost."""
    assert bob.get(path).json()["headers"]["X-Proxy-Filter"] == BOBS_FILTER


def test_https_works_too(host: Host) -> None:
    """The TLS listener serves the chat as well."""
    assert PMMClient(host, base="https://localhost:8443").get("/v1/chat/health").status == 200
