"""Node from Debian's packages."""

import json

from testinfra.host import Host

from controller import play
from runtime_servers import FIRST_START, PACKAGES, address
from tool_servers import SHIPPED, processes, wait_until_ready

testinfra_hosts = [address(PACKAGES)]

_HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}
_COMMAND = (
    "runuser -u pmm -- env HOME=/srv/aichat-backend npx -y @modelcontextprotocol/server-filesystem@2026.8.31 /srv"
)
_ASK = """
import shlex, subprocess, sys
with subprocess.Popen(shlex.split(sys.argv[2]), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
    print(sys.argv[1], file=server.stdin, flush=True)
    print(server.stdout.readline(), end="")
    server.stdin.close()
"""


def test_the_shipped_tool_server_is_ready(host: Host) -> None:
    """Nobody edited anything: what the role ships runs with what it installed."""
    wait_until_ready(host, SHIPPED, FIRST_START)


def test_the_command_of_the_documentation_works_for_the_services_user(host: Host) -> None:
    """By hand, on the standard input, with the home folder that the service has."""
    said = host.run("cd / && python3 -c %s %s %s", _ASK, json.dumps(_HELLO), _COMMAND)
    assert said.rc == 0, said.stderr
    assert json.loads(said.stdout)["result"]["serverInfo"]["name"] == "secure-filesystem-server"


def test_a_package_that_npx_was_ended_over_is_installed_anew(host: Host) -> None:
    """Without a hand: npx itself takes what is there for the whole."""
    (installed,) = host.check_output("ls -d /srv/aichat-backend/.npm/_npx/*").split()
    assert host.run(f"rm -r {installed}/package.json {installed}/node_modules/zod").rc == 0
    before = processes(host)

    host.check_output("supervisorctl restart aichat-backend")

    wait_until_ready(host, SHIPPED, FIRST_START)
    assert host.file(f"{installed}/node_modules/zod").is_directory
    assert not set(processes(host)) & set(before)


def test_what_debian_does_not_have_is_refused_before_anything_is_touched(host: Host) -> None:
    """The message names the variable for the archive; check mode tells it too."""
    packages = host.check_output("dpkg-query --show")
    done = play(None, "--check", "--limit", PACKAGES, variables={"ai_chat_mcp_runtime": ["npx", "uvx"]})
    assert done.returncode != 0
    said = " ".join((done.stdout + done.stderr).split())
    assert "The package manager of this server has no package uv: name" in said
    assert "on the controller as ai_chat_mcp_uv_archive, or take uvx out of ai_chat_mcp_runtime." in said
    assert "TASK [percona.pmm_ai_chat.ai_chat : Keep what this play may change]" not in done.stdout
    assert host.check_output("dpkg-query --show") == packages
