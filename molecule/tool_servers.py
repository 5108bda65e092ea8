"""The tool servers of the deployed service."""

import json

from testinfra.host import Host

from polling import PATIENCE, until

SHIPPED = "filesystem"
NOTES = "notes"
_STATES = "curl --silent --fail --header 'X-User-ID: 1' http://localhost:3001/v1/chat/mcp/servers"


def states(host: Host) -> dict[str, str]:
    """Every server and its state, as the service says; none while it does not answer."""
    said = host.run(_STATES)
    return {server["name"]: server["state"] for server in json.loads(said.stdout)["servers"]} if said.rc == 0 else {}


def wait_until_ready(host: Host, name: str = NOTES, patience: float = PATIENCE) -> None:
    """Wait for one of them."""
    until(f"the tool server {name} is ready", lambda: states(host).get(name) == "ready", patience)


def processes(host: Host) -> list[str]:
    """The processes of those that are given folders."""
    return str(host.run("pgrep --full modelcontextprotocol/server-filesystem --uid pmm").stdout).split()
