"""The service goes from one server; the other one, the database and PMM do not notice."""

import re

import pytest
from testinfra.host import Host

from canary import API_KEY
from controller import on_the_controller, play
from pmm_client import PMMClient

TWO = "pmm-ai-chat-cluster-two"
INI = "/etc/supervisord.d/ai-chat.ini"
OURS = (
    INI,
    "/etc/aichat-backend/api-key",
    "/etc/aichat-backend/config.yaml",
    "/etc/aichat-backend/mcp-servers.json",
    "/etc/nginx/aichat",
    "/opt/aichat-backend",
    "/srv/aichat-backend/mcp-servers.json",
    "/usr/sbin/aichat-backend",
    "/var/lib/aichat-backend",
)


def remove(*options: str, **variables: object) -> tuple[str, int]:
    """Take the service away from the second server; what the play said, and how much it changed or would change."""
    done = play(None, "--limit", TWO, *options, variables={"ai_chat_state": "absent", **variables})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, sum(map(int, re.findall(r"\bchanged=(\d+)", done.stdout)))


@pytest.fixture(scope="module")
def edited(two: Host) -> str:
    """Edit the ini as an operator would, with a password in it, and return its text."""
    assert two.run(f"sed -i '1i ; mine' {INI}").rc == 0
    return str(two.file(INI).content_string)


def test_it_removes_what_is_ours_and_says_so_before(one: Host, two: Host, edited: str) -> None:
    """Check mode foretells each change; an edited file, the data and what the operator put there stay."""
    one_before = one.check_output("supervisorctl pid aichat-backend")
    foretold, changes = remove("--check", "--diff")
    assert [path for path in OURS if not two.file(path).exists] == []

    said, changed = remove("--diff")

    # A reload of nginx and supervisord's update are announced by tasks of their own.
    assert changes == changed > 0
    assert API_KEY not in foretold + said
    assert [path for path in OURS if two.file(path).exists] == []
    assert two.file("/etc/nginx/conf.d/pmm.conf").content == two.file("/root/pmm.conf.before").content
    (backup,) = two.check_output(f"ls {INI}.*~").split()
    assert two.file(backup).content_string == edited
    assert two.file("/etc/aichat-backend/db-password").exists
    assert two.file("/srv/aichat-backend").is_directory
    assert "no such process" in two.run("supervisorctl status aichat-backend").stdout
    assert two.run("pgrep --uid pmm --full aichat_backend").rc != 0
    assert one.check_output("supervisorctl pid aichat-backend") == one_before


def test_a_second_time_nothing_changes() -> None:
    """Neither in earnest nor in check mode."""
    assert [remove()[1], remove("--check")[1]] == [0, 0]


def test_pmm_goes_on_without_it(two: Host) -> None:
    """Its nginx answers, and leads nobody to a service that is gone."""
    client = PMMClient(two, "alice")
    assert client.get("/v1/server/version").status == 200
    # What the stand-in for pmm-managed does with every path: it tells who was asked.
    assert client.get("/v1/chat/sessions").json()["headers"]["Host"] == "managed-json"


def test_the_history_is_still_there_for_the_other(one: Host) -> None:
    """The database belongs to nobody's server."""
    assert PMMClient(one, "alice").session_ids()


def test_the_data_go_when_that_is_asked_for(two: Host) -> None:
    """Then nothing is left, edited files and the log included."""
    _, changed = remove(ai_chat_remove_data=True)
    assert changed > 0
    assert two.check_output("find / -xdev -name '*aichat*' -not -path '/proc/*' -not -path '/root/.cache/*'") == ""
    assert two.check_output("ls /etc/supervisord.d") == "pmm.ini"
    assert remove(ai_chat_remove_data=True)[1] == 0


def test_on_a_host_that_never_had_it_nothing_changes() -> None:
    """There is no supervisord on it either."""
    done = on_the_controller(
        "ansible",
        "databases",
        "-m",
        "include_role",
        "-a",
        "name=percona.pmm_ai_chat.ai_chat",
        "-e",
        "ai_chat_state=absent",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "CHANGED" not in done.stdout
