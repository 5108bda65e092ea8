"""The controller: Ansible as a person runs it from the project, with the scenario's inventory as the default one."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

PROJECT = Path(__file__).parents[1]
_COLLECTIONS = PROJECT / ".cache/collections"


def environment(edition: Path | None = None) -> dict[str, str]:
    """The variables with which Ansible finds the scenario's servers, and an edition of the collection or ours."""
    scenario = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
    inventories = (PROJECT / "dev/server/inventory", scenario / "inventory")
    collections = (_COLLECTIONS,) if edition is None else (edition, _COLLECTIONS)
    return os.environ | {
        "ANSIBLE_INVENTORY": ",".join(map(str, inventories)),
        "ANSIBLE_COLLECTIONS_PATH": ":".join(map(str, collections)),
        "ANSIBLE_FORCE_COLOR": "0",
    }


def on_the_controller(*command: str, edition: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run an Ansible command against the scenario's servers, with an edition of the collection or the project's."""
    return subprocess.run(command, cwd=PROJECT, env=environment(edition), capture_output=True, text=True, check=False)


def deploy(**variables: object) -> str:
    """Run the collection's play, with these variables over the inventory's, and return what it said."""
    done = on_the_controller("ansible-playbook", "playbooks/deploy_ai_chat.yml", "--extra-vars", json.dumps(variables))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def play(
    edition: Path | None, *options: str, name: str = "deploy_ai_chat", variables: Mapping[str, object] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a play of an edition of the collection, None for the project's, whatever comes of it."""
    return on_the_controller(*playing(name, variables), *options, edition=edition)


def playing(name: str, variables: Mapping[str, object] | None) -> tuple[str, ...]:
    """The command that runs a play of the collection."""
    return "ansible-playbook", f"percona.pmm_ai_chat.{name}", "--extra-vars", json.dumps(variables or {})
