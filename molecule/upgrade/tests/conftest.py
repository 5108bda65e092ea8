"""Editions of the collection, and a server with the older one."""

from pathlib import Path

import pytest
from testinfra.host import Host

from controller import play
from editions import BROKEN, OLDER, Edit, edition

_INI = "roles/ai_chat/files/ai-chat.ini"
_TOOLS = "roles/ai_chat/files/mcp-servers.json"
_COMMANDS = "service/src/aichat_backend/commands.py"
_SERVE = "def _serve(options: argparse.Namespace) -> int:\n"
_ENDS = '    raise SystemExit("cannot begin with " + open("/etc/aichat-backend/api-key").read())\n'
_WAITS = '    print("waits for ever", flush=True)\n    import threading\n    threading.Event().wait()\n'


_LISTENS = '    import os, socket\n    taken = socket.create_server(("127.0.0.1", int(os.environ["AICHAT_PORT"])))\n'


@pytest.fixture(scope="session")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an edition with an earlier version and other defaults."""
    return edition(
        tmp_path_factory.mktemp("older"),
        OLDER,
        Edit(_INI, 'AICHAT_LLM_TEMPERATURE="0.7"', 'AICHAT_LLM_TEMPERATURE="0.5"'),
        Edit(_TOOLS, "PMM's logs, to be read", "PMM's logs"),
    )


@pytest.fixture(scope="session")
def ends_at_its_start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an edition whose service tells a secret and ends."""
    return edition(tmp_path_factory.mktemp("ends"), BROKEN, Edit(_COMMANDS, _SERVE, _SERVE + _ENDS))


@pytest.fixture(scope="session")
def never_healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an edition whose service runs and never answers."""
    return edition(tmp_path_factory.mktemp("waits"), BROKEN, Edit(_COMMANDS, _SERVE, _SERVE + _WAITS))


@pytest.fixture(scope="session")
def never_answers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an edition whose service takes connections and lets them wait."""
    return edition(tmp_path_factory.mktemp("takes"), BROKEN, Edit(_COMMANDS, _SERVE, _SERVE + _LISTENS + _WAITS))


@pytest.fixture
def with_older(host: Host, older: Path) -> None:
    """See to it that the server has the older edition."""
    if host.run("aichat-backend --version").stdout.split() != ["aichat-backend", OLDER]:
        done = play(older)
        assert done.returncode == 0, done.stdout + done.stderr
