"""Packages that npx was ended over: it would take the half of them for the whole, at every start."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from fakes.mcp_processes import PROGRAM, program
from fakes.mcp_toolbox import OpenWorkshop
from fakes.processes import STARTS_PROCESSES

pytestmark = STARTS_PROCESSES


@pytest.fixture
def home(tmp_path: Path, environment: dict[str, str]) -> Path:
    """The home folder of the service."""
    folder = tmp_path / "home"
    environment["HOME"] = str(folder)
    return folder


@pytest.fixture
def npx(tmp_path: Path) -> Path:
    """A program of that name, which installs nothing."""
    command = tmp_path / "bin" / "npx"
    command.parent.mkdir()
    command.write_text(f"#!/bin/sh\nexec {sys.executable} -S -E {PROGRAM}\n")
    command.chmod(0o755)
    return command


def started_by(command: Path, folder: Path, *tools: str, **script: Any) -> dict[str, Any]:
    """An entry with that command."""
    return {**program(folder, *tools, **script).entry, "command": str(command), "args": ["-y", "reports@1.0.0"]}


def installed(cache: Path, name: str, *, manifest: str | None) -> Path:
    """A folder of npx with a package in it, and with the file that npx writes last if that has a text."""
    folder = cache / "_npx" / name
    (folder / "node_modules" / "zod").mkdir(parents=True)
    (folder / "concurrency.lock").mkdir()
    if manifest is not None:
        (folder / "package.json").write_text(manifest)
    return folder


async def test_what_is_half_installed_goes_before_the_start_and_what_is_whole_stays(
    tmp_path: Path, home: Path, npx: Path, open_workshop: OpenWorkshop
) -> None:
    whole = installed(home / ".npm", "1a", manifest='{"_npx": {"packages": ["reports@1.0.0"]}}')
    halves = [installed(home / ".npm", "2b", manifest=None), installed(home / ".npm", "3c", manifest='{"_npx":')]

    with capture_logs() as logs:
        async with open_workshop(local=started_by(npx, tmp_path, "echo")) as shop:
            assert shop.status("local").state == "ready"

    assert [folder.exists() for folder in (whole, *halves)] == [True, False, False]
    assert {entry["folder"] for entry in logs if entry["event"] == "npx_remains_removed"} == set(map(str, halves))


async def test_it_is_looked_for_where_the_entry_has_npm_keep_it(
    tmp_path: Path, home: Path, npx: Path, open_workshop: OpenWorkshop
) -> None:
    elsewhere = tmp_path / "elsewhere"
    here, there = installed(elsewhere, "1a", manifest=None), installed(home / ".npm", "1a", manifest=None)
    entry = started_by(npx, tmp_path, "echo")
    entry["env"]["NPM_CONFIG_CACHE"] = str(elsewhere)

    async with open_workshop(local=entry):
        assert (here.exists(), there.exists()) == (False, True)


async def test_the_start_of_another_program_removes_nothing(
    tmp_path: Path, home: Path, open_workshop: OpenWorkshop
) -> None:
    half = installed(home / ".npm", "1a", manifest=None)

    async with open_workshop(local=program(tmp_path, "echo").entry) as shop:
        assert shop.status("local").state == "ready"

    assert half.exists()


async def test_nothing_is_taken_from_a_server_that_installs_at_the_moment(
    tmp_path: Path, home: Path, npx: Path, open_workshop: OpenWorkshop
) -> None:
    """Its folder looks just like one that was left behind."""
    slow = program(tmp_path, mute=True)
    installing = {**slow.entry, "command": str(npx)}
    async with open_workshop() as shop:
        await shop.edit(slow=installing)
        await shop.until(lambda: slow.pids)
        half = installed(home / ".npm", "1a", manifest=None)
        await shop.edit(slow=installing, local=started_by(npx, tmp_path, "echo"))
        await shop.until_state("local", "ready")
        assert half.exists()


async def test_what_a_start_that_failed_has_left_goes_before_the_next_one(
    tmp_path: Path, home: Path, open_workshop: OpenWorkshop
) -> None:
    command = tmp_path / "npx"
    command.write_text(f"#!/bin/sh\ntest ! -e {home} || exit 0\nmkdir -p {home}/.npm/_npx/1a/node_modules\nexit 1\n")
    command.chmod(0o755)
    async with open_workshop(local=started_by(command, tmp_path)) as shop:
        assert shop.status("local").state == "failed"
        await shop.until(lambda: (home / ".npm" / "_npx").exists() and not list((home / ".npm" / "_npx").iterdir()))


async def test_what_cannot_be_removed_is_told_and_keeps_no_server_from_starting(
    tmp_path: Path, home: Path, npx: Path, open_workshop: OpenWorkshop
) -> None:
    outside = installed(tmp_path, "outside", manifest=None)
    link = home / ".npm" / "_npx" / "1a"
    link.parent.mkdir(parents=True)
    link.symlink_to(outside)

    with capture_logs() as logs:
        async with open_workshop(local=started_by(npx, tmp_path, "echo")) as shop:
            assert shop.status("local").state == "ready"

    assert (outside / "node_modules").exists()
    (told,) = (entry for entry in logs if entry["event"] == "npx_remains_not_removed")
    assert told["folder"] == str(link)
