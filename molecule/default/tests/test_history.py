"""What was said is still there after a restart."""

from collections.abc import Callable

from testinfra.host import Host

from pmm_client import PMMClient


def test_history_survives_a_restart_of_the_service(
    host: Host, alice: PMMClient, wait_until_healthy: Callable[[], None]
) -> None:
    """Sessions and messages are the same before and after."""
    session = alice.create_session("before the restart")
    alice.ask("Will you remember me?", session)
    messages = f"/v1/chat/sessions/{session}/messages"
    before = alice.get(messages).json()

    assert host.run("supervisorctl restart aichat-backend").rc == 0
    wait_until_healthy()

    assert len(before["messages"]) == 2
    assert alice.get(messages).json() == before
