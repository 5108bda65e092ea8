"""One server after the other gets the new version, and back, and none after one that does not come up."""

from collections.abc import Callable
from pathlib import Path

from testinfra.host import Host

from asking import Asking
from controller import play
from pmm_client import PMMClient

ONE = "pmm-ai-chat-cluster-one"
INI = "/etc/supervisord.d/ai-chat.ini"


def pid(host: Host) -> str:
    """The service's process."""
    return str(host.check_output("supervisorctl pid aichat-backend"))


def schema(host: Host) -> str:
    """What the server's program says of the schema."""
    lines = str(host.check_output("aichat-backend db status")).splitlines()
    return next(line for line in lines if line.startswith("schema"))


def test_while_one_is_upgraded_the_other_answers(
    one: Host, two: Host, newer: Path, start_asking: Callable[[Host], Asking]
) -> None:
    """At no moment both refuse, although the first upgrades the schema under the second with its older version."""
    before = pid(one), pid(two)
    clients = start_asking(one), start_asking(two)

    done = play(newer, name="roll_out_ai_chat")

    assert done.returncode == 0, done.stdout + done.stderr
    (answered_one, refused_one), (answered_two, refused_two) = (client.stop() for client in clients)
    assert pid(one) != before[0]
    assert pid(two) != before[1]
    assert schema(two).endswith("later, up to date")
    assert [at for at in refused_two if at <= max(refused_one, default=0)] == []
    # Both were asked the whole time.
    assert min(len(answered_one), len(answered_two)) > 20
    assert max(answered_one) > max(refused_two, default=0)


def test_one_of_them_goes_back_to_the_older_version(
    one: Host, two: Host, start_asking: Callable[[Host], Asking]
) -> None:
    """It works on the schema that the newer one has made; the other does not notice."""
    there = start_asking(two)

    done = play(None, "--limit", ONE, name="roll_back_ai_chat")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "later, made by a newer version, usable by this one" in schema(one)
    session = PMMClient(one, "alice").create_session("begun on the older version")
    PMMClient(two, "alice").ask("What changed since yesterday?", session)
    said = PMMClient(one, "alice").get(f"/v1/chat/sessions/{session}/messages").json()["messages"]
    assert [message["role"] for message in said] == ["user", "assistant"]
    _, refused = there.stop()
    assert refused == []


def test_a_server_that_does_not_become_ready_is_the_last_one(one: Host, two: Host) -> None:
    """The second server keeps its process and its configuration, and the play says why."""
    before, ini = pid(two), two.file(INI).content_string

    done = play(None, name="roll_out_ai_chat", variables={"cluster_more": {"AICHAT_DB_PORT": "1"}})

    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0
    assert "The service runs and is not ready" in said
    assert "The PostgreSQL server at database:1 cannot be used" in said
    assert (pid(two), two.file(INI).content_string) == (before, ini)
    assert 'AICHAT_DB_PORT="1"' in one.file(INI).content_string
    mended = play(None, "--limit", ONE, name="roll_out_ai_chat")
    assert mended.returncode == 0, mended.stdout + mended.stderr
