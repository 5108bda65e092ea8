"""The upgrade of a server that its operator has made his own, and the way back by hand."""

import json
from collections.abc import Callable

import pytest
from testinfra.host import Host

from controller import on_the_controller, play
from editions import OLDER
from notes import kinds, text
from pmm_client import PMMClient

INI = "/etc/supervisord.d/ai-chat.ini"
SLOW = 'AICHAT_MOCK_DELAY_MS="500",'
TOOLS = "/srv/aichat-backend/mcp-servers.json"
LONG_QUESTION = " ".join(["Which of my databases should I look at first, and why?"] * 200)
"""Answered in its own words, two a second: for longer than any upgrade takes."""
INTERRUPTED = "\n\n[interrupted: the service was restarted]"


@pytest.fixture
def edited(host: Host, wait_until_healthy: Callable[[], None]) -> None:
    """The operator slows the mock provider down in the ini, and turns a tool server off."""
    assert host.run(f"sed -i 's/^environment=/&\\n    {SLOW} ; slow/' {INI}").rc == 0
    assert host.run(f'sed -i \'0,/"enabled": true/s//"enabled": false/\' {TOOLS}').rc == 0
    assert host.run("supervisorctl update aichat-backend").rc == 0
    wait_until_healthy()


@pytest.mark.usefixtures("with_older", "edited")
def test_edits_are_kept_and_an_answer_under_way_is_not_lost(host: Host, alice: PMMClient) -> None:
    """The changed defaults lie beside the edited files; the reader hears the end, the history has what was heard."""
    session = alice.create_session("over the upgrade")
    foretold = play(None, "--check")
    reading = alice.ask_in_background(LONG_QUESTION, session)

    done = play(None)

    assert "Announce the restart" in foretold.stdout
    assert done.returncode == 0, done.stdout + done.stderr
    events = reading.events()
    assert kinds(events)[-1] == "error"
    history = alice.get(f"/v1/chat/sessions/{session}/messages").json()["messages"]
    assert [message["content"] for message in history] == [LONG_QUESTION, text(events) + INTERRUPTED]
    assert f"{SLOW} ; slow" in host.file(INI).content_string
    assert 'AICHAT_LLM_TEMPERATURE="0.5"' in host.file(INI).content_string
    assert 'AICHAT_LLM_TEMPERATURE="0.7"' in host.file(f"{INI}.new").content_string
    assert json.loads(host.file(TOOLS).content_string)["servers"][0]["enabled"] is False
    assert "to be read" in host.file(f"{TOOLS}.new").content_string
    assert f"{INI} was edited on this host and is kept." in done.stdout
    assert host.check_output("aichat-backend --version") != f"aichat-backend {OLDER}"


def test_the_way_back_by_hand_and_forth_again(host: Host, wait_until_healthy: Callable[[], None]) -> None:
    """By the two commands of the manual, and by the collection's play."""
    newer = host.check_output("aichat-backend --version").split()[-1]
    assert newer != OLDER, "the upgrade comes first"
    back = ("ansible", "pmm-servers", "-m", "percona.pmm_ai_chat.aichat_backend", "-a", "state=rolled_back user=pmm")
    restart = ("ansible", "pmm-servers", "-m", "shell", "-a", "supervisorctl restart aichat-backend")

    for command in (back, restart):
        done = on_the_controller(*command)
        assert done.returncode == 0, done.stdout + done.stderr
    wait_until_healthy()
    assert OLDER in host.check_output("curl --silent http://localhost:3001/health")
    assert "changed: false" in on_the_controller(*back).stdout

    done = play(None, name="roll_back_ai_chat", variables={"ai_chat_release": newer})
    assert done.returncode == 0, done.stdout + done.stderr
    assert newer in host.check_output("curl --silent http://localhost:3001/health")

    assert on_the_controller(*back, "-a", f"state=rolled_back release={OLDER}").returncode == 0
    assert newer in host.check_output("curl --silent http://localhost:3001/health")
    done = play(None, name="roll_back_ai_chat")
    assert done.returncode == 0, done.stdout + done.stderr
    assert OLDER in host.check_output("curl --silent http://localhost:3001/health")
