"""A first deployment that fails, on a server that has no chat backend yet."""

from pathlib import Path

from testinfra.host import Host

from canary import API_KEY
from controller import play

PLACED = (
    "/etc/supervisord.d/ai-chat.ini",
    "/etc/aichat-backend/api-key",
    "/etc/aichat-backend/config.yaml",
    "/srv/aichat-backend/mcp-servers.json",
    "/etc/nginx/aichat/locations.conf",
    "/etc/aichat-backend",
    "/srv/aichat-backend",
    "/usr/sbin/aichat-backend",
    "/opt/aichat-backend/current",
    "/var/lib/aichat-backend/restore-point",
)


def test_it_leaves_the_server_as_it_was(host: Host, ends_at_its_start: Path) -> None:
    """There is nothing to go back to: the play says why, and nothing goes on failing."""
    server_block = host.file("/etc/nginx/conf.d/pmm.conf").content_string

    done = play(ends_at_its_start, "-vvv", "--diff")

    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "did not become healthy within 8 s" in said
    assert "cannot begin with ********" in said
    assert "There was no chat backend on this server before" in said
    assert API_KEY not in said
    assert [path for path in PLACED if host.file(path).exists] == []
    assert host.file("/etc/nginx/conf.d/pmm.conf").content_string == server_block
    assert "no such process" in host.run("supervisorctl status aichat-backend").stdout
    assert host.run("curl --fail --silent http://localhost:8080/v1/server/readyz").rc == 0
