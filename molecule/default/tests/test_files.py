"""What lies where on the server, whose it is and who may read it."""

import pytest
from testinfra.host import Host

from canary import API_KEY, PROXY_SECRET

OWNED = [
    ("/usr/sbin/aichat-backend", "root", "root", 0o755),
    ("/etc/supervisord.d/ai-chat.ini", "root", "pmm", 0o640),
    ("/etc/aichat-backend", "root", "pmm", 0o750),
    ("/etc/aichat-backend/config.yaml", "root", "pmm", 0o640),
    ("/etc/aichat-backend/api-key", "root", "pmm", 0o640),
    ("/srv/aichat-backend", "pmm", "pmm", 0o750),
    ("/srv/aichat-backend/mcp-servers.json", "pmm", "pmm", 0o640),
    ("/etc/nginx/aichat/locations.conf", "root", "pmm", 0o640),
]


@pytest.mark.parametrize(("path", "owner", "group", "mode"), OWNED)
def test_owner_group_and_mode(host: Host, path: str, owner: str, group: str, mode: int) -> None:
    """As the seed and the security rules have it."""
    found = host.file(path)
    assert (found.user, found.group, oct(found.mode)) == (owner, group, oct(mode))


def test_the_two_places_of_the_mcp_servers_are_one_file(host: Host) -> None:
    """The one in /etc is a link."""
    assert host.file("/etc/aichat-backend/mcp-servers.json").linked_to == "/srv/aichat-backend/mcp-servers.json"


def test_the_launcher_is_a_real_file_and_current_is_a_link_to_a_release(host: Host) -> None:
    """The launcher can be copied over; the release is switched by one link."""
    assert not host.file("/usr/sbin/aichat-backend").is_symlink
    assert host.file("/opt/aichat-backend/current").linked_to.startswith("/opt/aichat-backend/releases/")


def test_the_release_is_not_writable_for_the_service(host: Host) -> None:
    """The service cannot change its own code."""
    assert host.check_output("sudo -u pmm find /opt/aichat-backend/ -writable -not -type l") == ""


SECRETS = {
    API_KEY: {"/etc/aichat-backend/api-key"},
    PROXY_SECRET: {
        "/etc/aichat-backend/config.yaml",
        "/etc/nginx/aichat/locations.conf",
        "/etc/supervisord.d/ai-chat.ini",
    },
}


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_in_its_files_only(host: Host, secret: str) -> None:
    """Searched for in everything that the deployment or the service could have written; see the files' modes above."""
    places = "/etc /srv /opt/aichat-backend /usr/sbin/aichat-backend /var/log /tmp /root /home"
    holders = host.run(f"grep -rlF {secret} {places} --exclude-dir=.cache")
    assert set(holders.stdout.split()) == SECRETS[secret]


def test_the_api_key_is_in_no_environment_and_no_command_line(host: Host) -> None:
    """Processes show neither."""
    pid = host.check_output("supervisorctl pid aichat-backend")
    environment = host.check_output(f"sudo -u pmm cat /proc/{pid}/environ")
    assert "AICHAT_" in environment
    assert API_KEY not in environment
    assert API_KEY not in host.check_output("ps axww -o args=")
