"""A server without a network has a service like any other's."""

import json
import shlex
import tarfile
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from controller import PROJECT, on_the_controller
from pmm_client import PMMClient

WHEELHOUSES = PROJECT / ".cache/wheelhouse"


@pytest.fixture
def release(host: Host) -> dict[str, Any]:
    """Return what the current release says of itself."""
    said: dict[str, Any] = json.loads(host.file("/opt/aichat-backend/current/release.json").content_string)
    return said


def wheelhouse() -> Path:
    """Return the wheelhouse that the servers were deployed from."""
    (found,) = WHEELHOUSES.glob("aichat-backend-*-wheelhouse-py3.13-*.tar")
    return found


def doctored(folder: Path, **changes: str) -> Path:
    """Return a copy of the wheelhouse whose manifest says something else."""
    with tarfile.open(wheelhouse()) as archive:
        head = archive.next()
        assert head is not None
        content = archive.extractfile(head)
        assert content is not None
        manifest = json.loads(content.read())
    (folder / "wheelhouse.json").write_text(json.dumps({**manifest, **changes}))
    made = folder / "doctored.tar"
    with tarfile.open(made, "w") as archive:
        archive.add(folder / "wheelhouse.json", arcname="wheelhouse.json")
    return made


def test_the_server_has_no_network(host: Host) -> None:
    """Loopback is the only interface."""
    assert [link.split(":")[1].strip() for link in host.check_output("ip -o link").splitlines()] == ["lo"]


def test_the_release_was_made_by_the_installer_that_was_asked_for(host: Host, release: dict[str, Any]) -> None:
    """One server has uv; the other one has pip alone."""
    assert release["installer"] == ("uv" if host.exists("uv") else "pip")


def test_it_has_exactly_the_packages_of_the_wheelhouse(host: Host) -> None:
    """Those, the service, and pip where pip made the environment."""
    with tarfile.open(wheelhouse()) as archive:
        packed = {name.split("-")[0].lower() for name in archive.getnames() if name.endswith(".whl")}
    script = (
        "from importlib.metadata import distributions\n"
        "print(*(found.name.lower().replace('-', '_').replace('.', '_') for found in distributions()))"
    )
    there = set(host.check_output("/opt/aichat-backend/current/bin/python -I -c " + shlex.quote(script)).split())
    assert there - {"pip"} == packed | {"aichat_backend"}


def test_a_question_is_answered_through_nginx(alice: PMMClient) -> None:
    """The mock provider needs no network either."""
    events = alice.ask("What changed since yesterday?", alice.create_session("offline"))
    assert events[-1].data["type"] == "done"


def test_nothing_is_left_of_the_installation(host: Host) -> None:
    """Neither the unpacked wheels nor what was transferred."""
    assert not host.file("/opt/aichat-backend/.work").exists
    assert host.check_output("find /root /tmp /var/tmp -name '*.tar' -o -name '*.whl'") == ""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"python": "3.12"}, "is for Python 3.12 on"),
        ({"lock": "0" * 64}, "lock 000000000000"),
    ],
)
def test_a_wheelhouse_for_something_else_is_refused(tmp_path: Path, changes: dict[str, str], said: str) -> None:
    """The message names both sides and how to make the right one, for each of the two servers."""
    arguments = {"wheelhouse": str(doctored(tmp_path, **changes)), "install_root": "/opt/fresh"}
    done = on_the_controller(
        "ansible", "pmm-servers", "-m", "percona.pmm_ai_chat.aichat_backend", "-a", json.dumps(arguments)
    )
    assert done.returncode != 0
    assert done.stdout.count("FAILED!") == 2
    assert said in done.stdout
    assert "make wheelhouse PYTHON=3.1" in done.stdout


def test_a_refusal_made_nothing(host: Host) -> None:
    """Of the attempts before this, there is not even an empty folder."""
    assert not host.file("/opt/fresh").exists
