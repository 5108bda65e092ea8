"""Upgrades that go wrong, and ways back."""

import json
import re
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from testinfra.host import Host

from canary import API_KEY
from controller import on_the_controller, play
from editions import BROKEN, OLDER
from pmm_client import PMMClient
from stopping import stopped_at

pytestmark = pytest.mark.usefixtures("with_older")

INI = "/etc/supervisord.d/ai-chat.ini"
PLACED = "Include the locations in PMM's server block, or take them out of it"
"""The task before which all but nginx has got its new configuration, and nobody has read it."""
CONFIGURATION = (
    "/etc/supervisord.d /etc/aichat-backend /srv/aichat-backend/mcp-servers.json /etc/nginx/aichat /etc/nginx/conf.d "
    "/usr/sbin/aichat-backend /var/lib/aichat-backend/placed.json"
)


def state(host: Host) -> str:
    """Every file of the configuration with its owner, mode, time and content."""
    listed = host.check_output(f"find {CONFIGURATION} -type f -printf '%p %u %g %m %T@\\n' | sort")
    return str(listed) + str(host.check_output(f"find {CONFIGURATION} -type f -exec sha256sum {{}} + | sort"))


def words(done: CompletedProcess[str]) -> str:
    """What a play said, however its lines were broken."""
    return " ".join((done.stdout + done.stderr).split())


def version(host: Host) -> str:
    """The version that answers."""
    return str(json.loads(host.check_output("curl --fail --silent http://localhost:3001/health"))["version"])


@pytest.mark.parametrize(
    ("edition", "ending", "asked_again"),
    [
        ("ends_at_its_start", "cannot begin with", 0),
        ("never_healthy", "waits for ever", 8),
        # Each time takes five seconds, and all of them together eight at most.
        ("never_answers", "waits for ever", 1),
    ],
)
def test_a_release_that_is_not_healthy_goes_and_the_older_one_comes_back_with_all_that_is_its_own(
    host: Host, alice: PMMClient, request: pytest.FixtureRequest, edition: str, ending: str, asked_again: int
) -> None:
    """Neither the new key nor the new port nor the locations of nginx stay."""
    session = alice.create_session("before the upgrade")
    before = state(host)
    changes: dict[str, object] = {
        "ai_chat_port": 3111,
        "ai_chat_api_key": f"{API_KEY}-new",
        "ai_chat_environment": {"AICHAT_MAX_FILES": 3},
    }

    done = play(request.getfixturevalue(edition), "-vvv", "--diff", variables=changes)

    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert re.search(rf"The server is as it was before this play, with the release {OLDER}-", said)
    assert "The service is healthy." in said
    assert ending in said, said
    assert len(re.findall("RETRYING: .*: Ask for its health", said)) <= asked_again
    assert API_KEY not in said
    assert state(host) == before
    assert version(host) == OLDER
    assert not host.file("/var/lib/aichat-backend/restore-point").exists
    assert session in alice.session_ids()
    assert BROKEN in host.check_output("ls /opt/aichat-backend/releases")


def test_settings_that_the_new_release_refuses_touch_nothing(host: Host, older: Path) -> None:
    """The service itself says what is wrong, before anything is switched; an edit that is not in force yet stays so.

    A play that goes through puts the edit into force, and foretells that.
    """
    host.check_output(f"cp -a {INI} /run/away.ini && sed -i 's/^autostart=true/&\\nstartretries=4/' {INI}")
    before, process = state(host), host.check_output("supervisorctl pid aichat-backend")

    foretold = play(older, "--check")
    done = play(None, variables={"ai_chat_environment": {"AICHAT_LLM_TEMPERATURE": "hot"}})

    assert "supervisord would start aichat-backend with its new configuration" in words(foretold)
    assert done.returncode != 0
    assert "AICHAT_LLM_TEMPERATURE: 'hot' is not allowed" in done.stdout + done.stderr
    assert state(host) == before
    assert host.check_output("supervisorctl pid aichat-backend") == process
    assert version(host) == OLDER
    host.check_output(f"mv /run/away.ini {INI}")


def test_what_a_play_had_half_done_is_touched_by_no_other_and_not_taken_for_good(
    host: Host, older: Path, ends_at_its_start: Path
) -> None:
    """It has placed new settings that nobody has read, so the old ones still answer. It goes on, then it is killed."""
    before = state(host)
    with stopped_at(PLACED, older, {"ai_chat_port": 3111}) as first:
        half_done = state(host)
        refused = play(ends_at_its_start)
        assert refused.returncode != 0
        assert f"process {first} of this controller" in words(refused)
        assert state(host) == half_done != before

    done = play(ends_at_its_start)

    said = words(done)
    assert done.returncode != 0
    assert f"as it was before an earlier play, which did not end, with the release {OLDER}-" in said
    assert "The service is healthy." in said
    assert "What had been edited" not in said
    assert state(host) == before
    assert version(host) == OLDER


def test_a_release_that_is_gone_back_to_by_hand_and_is_not_healthy_gives_way_again(host: Host) -> None:
    """The play says what became of it, and why."""
    before = state(host)
    failed = host.check_output(f"ls /opt/aichat-backend/releases | grep ^{BROKEN}- | head -n 1")

    done = play(None, name="roll_back_ai_chat", variables={"ai_chat_release": failed, "ai_chat_health_timeout": 8})

    said = words(done)
    assert done.returncode != 0
    assert re.search(rf"{OLDER}-\w+, which ran before, is the current release again, and healthy\.", said)
    assert "cannot begin with ********" in said or "waits for ever" in said
    assert API_KEY not in said
    assert state(host) == before
    assert version(host) == OLDER


def test_while_a_way_back_is_under_way_no_other_play_begins_and_the_next_one_makes_good_what_it_left(
    host: Host, older: Path
) -> None:
    """It is killed when it has switched to a release that cannot begin, before anything runs that."""
    failed = host.check_output(f"ls /opt/aichat-backend/releases | grep ^{BROKEN}- | head -n 1")
    back = {"ai_chat_release": failed}
    with stopped_at("Restart the service", None, back, name="roll_back_ai_chat") as first:
        for refused in (play(older), play(older, variables={"ai_chat_state": "absent"})):
            assert refused.returncode != 0
            assert f"process {first} of this controller" in words(refused)

    done = play(older)

    assert done.returncode == 0, done.stdout + done.stderr
    assert version(host) == OLDER
    assert not host.file("/var/lib/aichat-backend/restore-point").exists


def test_what_a_play_that_was_killed_left_open_is_done_by_the_next_one(host: Host, older: Path) -> None:
    """It had placed a key and was killed before the restart: nothing on the server differs from what is wanted."""
    killed = on_the_controller(
        "ansible", "pmm-servers", "-m", "percona.pmm_ai_chat.restore_point", "-a", "files=/etc/aichat-backend/api-key"
    )
    assert killed.returncode == 0, killed.stdout + killed.stderr
    process = host.check_output("supervisorctl pid aichat-backend")

    foretold = play(older, "--check")
    assert "Announce the restart" in foretold.stdout
    assert host.check_output("supervisorctl pid aichat-backend") == process
    done = play(older)

    assert done.returncode == 0, done.stdout + done.stderr
    assert host.check_output("supervisorctl pid aichat-backend") != process
    assert not host.file("/var/lib/aichat-backend/restore-point").exists
