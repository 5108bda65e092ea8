"""Node, uv and Python from archives: what tool servers are started with, and how it is replaced."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from testinfra.host import Host

from controller import PROJECT, play
from runtime_servers import ARCHIVES, FIRST_START, address
from tool_servers import SHIPPED, wait_until_ready

testinfra_hosts = [address(ARCHIVES)]

FOLDER = PROJECT / ".cache/mcp-runtime"
ROOT = "/opt/aichat-mcp-runtime"
PROGRAMS = ("node", "npm", "npx", "uv", "uvx", "python3.13")


def links(host: Host) -> dict[str, str]:
    """Where the programs that everybody finds really lie."""
    return {name: host.check_output(f"readlink -f /usr/local/bin/{name}") for name in PROGRAMS}


@pytest.mark.parametrize("name", [SHIPPED, "time"])
def test_tool_servers_are_ready(host: Host, name: str) -> None:
    """The shipped one, which npx starts, and one that uvx starts; each fetches its package as the service's user."""
    wait_until_ready(host, name, FIRST_START)


def test_all_is_roots_and_nobody_else_may_change_it(host: Host) -> None:
    """Whatever owners and modes the archives have."""
    assert host.check_output(f"find {ROOT} '(' ! -user root -o ! -group root -o ! -type l -perm /022 ')'") == ""
    assert all(path.startswith(ROOT + "/") for path in links(host).values())


def test_uv_finds_the_python(host: Host) -> None:
    """And so does uvx."""
    found = host.check_output("runuser -u pmm -- env HOME=/srv/aichat-backend uv python find 3.13")
    assert host.check_output(f"readlink -f {found}") == links(host)["python3.13"]


def test_the_service_is_not_built_on_that_python(host: Host) -> None:
    """It would stop with the next one, or with its removal."""
    base = host.check_output("readlink -f /opt/aichat-backend/current/bin/python")
    assert base == "/usr/bin/python3.13"


def test_an_archive_for_another_architecture_is_refused_before_anything_is_touched(host: Host, tmp_path: Path) -> None:
    """The message names both, and the play ends where it only looks."""
    foreign = repacked(tmp_path, "foreign.tar.gz", lambda folder: patch_processor(folder / "uv-linux/uv"))
    before = (links(host), host.check_output("supervisorctl pid aichat-backend"))

    done = play(None, "--limit", ARCHIVES, variables={"ai_chat_mcp_uv_archive": str(foreign)})

    assert done.returncode != 0
    assert "foreign.tar.gz is for processor 243, and this host is" in " ".join((done.stdout + done.stderr).split())
    assert "TASK [percona.pmm_ai_chat.ai_chat : Keep what this play may change]" not in done.stdout
    assert (links(host), host.check_output("supervisorctl pid aichat-backend")) == before


def test_another_archive_takes_the_place_also_after_a_play_that_was_killed(host: Host, tmp_path: Path) -> None:
    """The tool servers run from the new one, and the old one stays for those that would go back."""
    newer = repacked(tmp_path, "newer.tar.gz", lambda folder: (folder / "uv-linux/NEWS").write_text("Newer.\n"))
    before = links(host)
    pid = host.check_output("supervisorctl pid aichat-backend")
    assert host.run(f"mkdir -p {ROOT}/.work/bin && rm /usr/local/bin/uvx /usr/local/bin/npx").rc == 0

    done = play(None, "--limit", ARCHIVES, variables={"ai_chat_mcp_uv_archive": str(newer)})

    assert done.returncode == 0, done.stdout + done.stderr
    after = links(host)
    assert {name for name in PROGRAMS if after[name] != before[name]} == {"uv", "uvx"}
    assert host.file(before["uv"]).exists
    assert host.file(after["uv"].removesuffix("uv") + "NEWS").exists
    assert not host.file(f"{ROOT}/.work").exists
    assert host.check_output("supervisorctl pid aichat-backend") != pid
    for name in (SHIPPED, "time"):
        wait_until_ready(host, name, FIRST_START)


def repacked(folder: Path, name: str, change: Callable[[Path], object]) -> Path:
    """Return another archive of uv."""
    content = folder / "content"
    content.mkdir()
    subprocess.run(["tar", "--extract", "--file", FOLDER / "uv.tar.gz", "--directory", content], check=True)
    change(content)
    archive = folder / name
    subprocess.run(["tar", "--create", "--file", archive, "--directory", content, "uv-linux"], check=True)
    return archive


def patch_processor(program: Path) -> None:
    """Let a program be one for RISC-V, as far as its head tells."""
    with program.open("r+b") as stream:
        stream.seek(18)
        stream.write((243).to_bytes(2, "little"))
