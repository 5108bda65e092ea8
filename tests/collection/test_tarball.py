"""What is in the built collection, what is not, and that it works after an installation."""

from __future__ import annotations

import fnmatch
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT, environment


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "LICENSE",
        "MANIFEST.json",
        "meta/runtime.yml",
        "changelogs/changelog.yaml",
        "playbooks/deploy_ai_chat.yml",
        "playbooks/make_wheelhouse.yml",
        "playbooks/roles/ai-chat/tasks/main.yml",
        "plugins/action/aichat_backend.py",
        "plugins/modules/aichat_backend.py",
        "roles/ai_chat/files/ai-chat.ini",
        "roles/ai_chat/meta/argument_specs.yml",
        "roles/ai_chat/templates/locations.conf.j2",
        "service/README.md",
        "service/pyproject.toml",
        "service/requirements.txt",
        "service/uv.lock",
        "service/src/aichat_backend/__init__.py",
    ],
)
def test_what_must_be_in_it(names: list[str], name: str) -> None:
    assert name in names


def test_every_module_of_the_service_is_in_it(names: list[str]) -> None:
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "service" / "src").rglob("*.py")}
    assert sources <= set(names)


@pytest.mark.parametrize(
    "pattern",
    [
        ".*",
        "*/.*",
        "*__pycache__*",
        "*.pyc",
        "*.db",
        "*.whl",
        "*.tar.gz",
        "*.log",
        "dev/*",
        "dist/*",
        "molecule/*",
        "tests/*",
        "service/tests/*",
        "Makefile",
        "ansible.cfg",
        "containers.conf",
        "pyproject.toml",
        "uv.lock",
    ],
)
def test_what_must_not_be_in_it(names: list[str], pattern: str) -> None:
    assert [name for name in names if fnmatch.fnmatch(name, pattern)] == []


def test_only_known_folders_are_in_it(names: list[str]) -> None:
    known = {"changelogs", "docs", "meta", "playbooks", "plugins", "roles", "service"}
    assert {name.partition("/")[0] for name in names if "/" in name} <= known


def test_the_play_is_found_by_its_name_after_an_installation(installed: Path, tmp_path: Path) -> None:
    inventory = tmp_path / "hosts.yml"
    inventory.write_text("pmm-servers:\n  hosts:\n    localhost:\n")
    program = Path(sys.executable).with_name("ansible-playbook")
    found = subprocess.run(
        [program, "-i", inventory, "--syntax-check", "percona.pmm_ai_chat.deploy_ai_chat"],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment(ANSIBLE_COLLECTIONS_PATH=str(installed)),
    )
    assert found.returncode == 0, found.stderr
    assert "playbook:" in found.stdout


def test_a_wheelhouse_is_made_from_the_installed_collection(installed: Path, tmp_path: Path) -> None:
    """In check mode, which needs no network: the service is found, and the file belongs where the command is typed."""
    program = Path(sys.executable).with_name("ansible-playbook")
    found = subprocess.run(
        [program, "--check", "percona.pmm_ai_chat.make_wheelhouse", "-e", "wheelhouse_python=3.11"],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment(ANSIBLE_COLLECTIONS_PATH=str(installed), PWD=str(tmp_path), COLUMNS="1000"),
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert f"{tmp_path}/aichat-backend-" in found.stdout
    assert "-wheelhouse-py3.11-x86_64.tar" in found.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_service_is_the_same_after_an_installation(installed: Path) -> None:
    script = (
        "from ansible_collections.percona.pmm_ai_chat.plugins.action.aichat_backend import COLLECTION\n"
        "from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._service_source import digest_of\n"
        "import os, sys\n"
        "print(COLLECTION, digest_of(os.path.join(COLLECTION, 'service')), digest_of(sys.argv[1]))"
    )
    found = subprocess.run(
        [sys.executable, "-c", script, ROOT / "service"],
        check=True,
        capture_output=True,
        text=True,
        env=environment(PYTHONPATH=str(installed)),
    )
    place, shipped, original = found.stdout.split()
    assert place == str(installed / "ansible_collections" / "percona" / "pmm_ai_chat")
    assert shipped == original
