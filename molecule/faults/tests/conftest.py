"""The server, the plays, and whoever listens to what they say of secrets."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import testinfra
from testinfra.host import Host

from canaries import DATABASE, secrets
from editions import BROKEN, Edit, edition
from server_state import state
from watched_plays import Deploy, listen


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Host:
    """Return the server, for fixtures that outlive a test."""
    return testinfra.get_host(request.config.getoption("hosts"))


@pytest.fixture(scope="session")
def controllers_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the place for Ansible's log of all plays."""
    return tmp_path_factory.mktemp("log") / "ansible.log"


@pytest.fixture(scope="session", autouse=True)
def listening(server: Host, controllers_log: Path) -> Iterator[None]:
    """Have a log on either side: Ansible's own, and a syslog in which the server notes what is run on it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANSIBLE_LOG_PATH", os.fspath(controllers_log))
        # The role asks for no facts, and each play would spend a second or two on them.
        patch.setenv("ANSIBLE_GATHERING", "explicit")
        listen(server)
        yield


@pytest.fixture(scope="session", autouse=True)
def untouched(server: Host) -> str:
    """Return the state of the server before anything was deployed."""
    return state(server, times=False)


@pytest.fixture(scope="session")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an edition with a later version and other defaults."""
    return edition(
        tmp_path_factory.mktemp("newer"),
        BROKEN,
        Edit("roles/ai_chat/files/ai-chat.ini", 'AICHAT_LLM_TEMPERATURE="0.7"', 'AICHAT_LLM_TEMPERATURE="0.5"'),
        Edit("roles/ai_chat/files/mcp-servers.json", "PMM's logs, to be read", "PMM's logs"),
    )


@pytest.fixture(scope="session")
def first() -> dict[str, Any]:
    """Return the variables of the first deployment: all secrets with which one can succeed."""
    given = {name: value for name, value in secrets().items() if name not in DATABASE | {"ai_chat_index_url"}}
    environment = {name: value for name, value in given["ai_chat_environment"].items() if name not in DATABASE}
    return given | {"ai_chat_environment": environment}


@pytest.fixture(scope="session")
def second(first: dict[str, Any]) -> dict[str, Any]:
    """Return variables of which every file of the configuration takes notice."""
    return first | {
        "ai_chat_port": 3002,
        "ai_chat_api_key": "canary-another-key",
        "ai_chat_nginx_locations": "/etc/nginx/aichat/elsewhere.conf",
        "ai_chat_environment": first["ai_chat_environment"] | {"AICHAT_MAX_FILES": "3"},
    }


@pytest.fixture(scope="session")
def deploy(newer: Path) -> Deploy:
    """Return the way to deploy."""
    return Deploy(newer)
