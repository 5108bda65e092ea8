"""What the role has put there for tool servers goes with it. The last ones of the scenario."""

import pytest
from testinfra.host import Host

from controller import play
from runtime_servers import ARCHIVES, PACKAGES, address

testinfra_hosts = [address(ARCHIVES), address(PACKAGES)]

# Ansible's own need for its apt module.
_OF_ANSIBLE = {"python3-apt", "python-apt-common", "distro-info-data"}


@pytest.fixture(scope="module")
def removal() -> str:
    """Remove the service from both servers, and return what the play said."""
    done = play(None, variables={"ai_chat_state": "absent"})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.usefixtures("removal")
def test_the_servers_packages_and_programs_are_those_from_before(host: Host) -> None:
    """Also what came along with the packages."""
    packages = set(host.check_output("dpkg-query --show --showformat '${db:Status-Status} ${Package}\\n'").splitlines())
    installed = {line.removeprefix("installed ") for line in packages if line.startswith("installed ")}
    assert installed - _OF_ANSIBLE == set(host.file("/root/packages").content_string.split()) - _OF_ANSIBLE
    assert host.check_output("find /usr/local/bin -mindepth 1") == ""
    assert not host.file("/opt/aichat-mcp-runtime").exists
    assert not host.file("/var/lib/aichat-backend").exists


def test_a_second_removal_changes_nothing(removal: str) -> None:
    """Nothing is left that could be removed."""
    assert "changed=0" not in removal
    done = play(None, "--check", variables={"ai_chat_state": "absent"})
    assert done.stdout.count("changed=0") == 2, done.stdout
