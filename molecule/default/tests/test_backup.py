"""A backup is taken while the service runs, and put back, as docs/operations.md says."""

from collections.abc import Callable

from testinfra.host import Host

from manual import commands
from pmm_client import PMMClient


def test_what_was_said_until_the_backup_is_there_when_it_is_put_back(
    host: Host, alice: PMMClient, wait_until_healthy: Callable[[], None]
) -> None:
    """And what was said afterwards is not."""
    before = alice.create_session("before the backup")
    alice.ask("Will this be kept?", before)
    messages = alice.get(f"/v1/chat/sessions/{before}/messages").json()["messages"]
    host.check_output(commands("Back up"))
    after = alice.create_session("after the backup")

    host.check_output(commands("Putting back a backup"))

    wait_until_healthy()
    assert alice.get(f"/v1/chat/sessions/{before}/messages").json()["messages"] == messages
    assert len(messages) == 2
    assert alice.get(f"/v1/chat/sessions/{after}/messages").status == 404
    assert host.check_output("stat --format '%a %U:%G' /srv/aichat-backend/chat.db") == "600 pmm:pmm"
    host.check_output("rm -r /srv/aichat-backend/damaged /var/backups/aichat-backend")
