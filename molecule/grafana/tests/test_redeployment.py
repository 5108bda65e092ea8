"""From one way of knowing who is calling to the other and back, and what else changes in nginx."""

import re
from collections.abc import Callable

import pytest
from testinfra.host import Host

from controller import deploy, play
from pmm_client import USER_IDS, PMMClient
from polling import until

PMM_CONF = "/etc/nginx/conf.d/pmm.conf"
INI = "/etc/supervisord.d/ai-chat.ini"
LOCATIONS = "/etc/nginx/aichat/locations.conf"
UNKNOWN = "authentication does not know the chat"

Answers = Callable[[str, int], None]


@pytest.fixture
def answers(host: Host) -> Answers:
    """Wait until a user gets this status: nginx's former workers answer a moment longer."""

    def wait(login: str, status: int) -> None:
        client = PMMClient(host, login)
        until(f"{login} gets {status}", lambda: client.get("/v1/chat/sessions").status == status)

    return wait


def says_that_pmm_does_not_know_the_chat(output: str) -> bool:
    """Whether a play does, wherever its lines are broken."""
    return UNKNOWN in " ".join(output.split())


def changes(output: str) -> set[str]:
    """How many tasks of a play changed something, on each server."""
    return set(re.findall(r"\bchanged=(\d+)", output))


def test_asking_pmm_in_vain_is_said_and_lets_nobody_in(host: Host, answers: Answers) -> None:
    """Neither bob, whom PMM refuses, nor alice, whom it does not name. A `pmm.conf` of PMM's is mended by the way."""
    assert host.run(f"cp /root/pmm.conf {PMM_CONF}").rc == 0

    assert says_that_pmm_does_not_know_the_chat(deploy(ai_chat_identity="pmm"))

    assert host.file(PMM_CONF).content_string.count(f"include {LOCATIONS};") == 1
    answers("bob", 401)
    answers("alice", 401)


def test_back_to_grafana_with_larger_uploads_and_a_secret_of_the_proxy(host: Host, answers: Answers) -> None:
    """Users have the same ids, and so their conversations; nginx lets through what the service takes."""
    larger = {"AICHAT_MAX_FILES": "10", "AICHAT_MAX_FILE_BYTES": "20971520"}
    given = {"ai_chat_environment": larger, "ai_chat_proxy_secret": "known-to-nginx-alone"}

    assert not says_that_pmm_does_not_know_the_chat(deploy(**given))

    answers("bob", 200)
    sessions = PMMClient(host, "bob").get("/v1/chat/sessions").json()["sessions"]
    assert {session["user_id"] for session in sessions} == {USER_IDS["bob"]}
    (allowed,) = re.findall(r"client_max_body_size (\d{2,});", host.file(LOCATIONS).content_string)
    assert int(allowed) > 10 * 20971520
    assert host.run("curl --silent --fail --user bob:bob-password http://localhost:3001/caller").rc == 22
    assert changes(deploy(**given)) == {"0"}


def test_a_secret_in_an_edited_ini_that_nginx_would_not_send_is_refused(host: Host) -> None:
    """Nobody would be let in; nothing is touched."""
    host.check_output(f"echo '; mine' >>{INI}")
    before = host.file(INI).content_string, host.file(LOCATIONS).content_string

    done = play(None)

    assert done.returncode != 0
    assert f"{INI} sets AICHAT_PROXY_SECRET" in " ".join((done.stdout + done.stderr).split())
    assert (host.file(INI).content_string, host.file(LOCATIONS).content_string) == before
    host.check_output(f"sed -i '$d' {INI}")


def test_without_nginx_nothing_of_ours_is_left_in_it(host: Host, answers: Answers) -> None:
    """PMM's own files are as they were, and a second time there is nothing to do."""
    deploy(ai_chat_nginx_enabled=False)

    assert host.file(PMM_CONF).content_string == host.file("/root/pmm.conf").content_string
    assert not host.file("/etc/nginx/aichat").exists
    # What PMM itself answers under that path, and not the chat's JSON.
    answers("bob", 401)
    assert PMMClient(host, "bob").get("/v1/chat/sessions").json()["message"] == "Access denied."
    assert changes(deploy(ai_chat_nginx_enabled=False)) == {"0"}
