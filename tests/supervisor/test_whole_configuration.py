"""The check before an ini goes live, by supervisord's own parser; its messages never show a value."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._supervisord import Supervisord, SupervisordProblem

COLLECTION = Path(__file__).resolve().parents[2]
GOOD = '[program:chat]\ncommand=/bin/cat\nenvironment=API_KEY="canary",PORT="1"\n'


class Server:
    """A configuration in a folder, and the candidate for one of its files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.included = folder / "supervisord.d"
        self.included.mkdir()
        self.main = folder / "supervisord.conf"
        self.main.write_text(f"[supervisord]\nlogfile={folder}/x.log\n[include]\nfiles={folder}/supervisord.d/*.ini\n")
        (self.included / "other.ini").write_text("[program:other]\ncommand=/bin/cat\n")
        self.target = self.included / "chat.ini"

    def check(self, content: str, **environment: str) -> None:
        candidate = self.folder / "candidate"
        candidate.write_text(content)
        Supervisord(sys.executable, str(self.main), environment).check(_run, str(self.target), str(candidate))


def _run(command: list[str], data: str, environ_update: dict[str, str]) -> tuple[int, str, str]:
    found = subprocess.run(
        command, input=data, capture_output=True, text=True, check=False, env={**os.environ, **environ_update}
    )
    return found.returncode, found.stdout, found.stderr


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


def test_the_shipped_ini_is_fine(server: Server) -> None:
    shipped = (COLLECTION / "roles/ai_chat/files/ai-chat.ini").read_text()
    local = shipped.replace("/srv/logs", str(server.folder)).replace("user=pmm\n", "")
    server.check(local)


def test_the_candidate_is_read_in_the_place_of_the_target(server: Server) -> None:
    server.target.write_text("broken")
    server.check(GOOD)
    assert server.target.read_text() == "broken"


def test_the_environment_of_the_running_supervisord_counts(server: Server) -> None:
    text = GOOD + "directory=%(ENV_CHAT_FOLDER)s\n"
    server.check(text, CHAT_FOLDER="/tmp")
    with pytest.raises(SupervisordProblem, match=r"directory cannot be expanded.*ENV_CHAT_FOLDER"):
        server.check(text)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '[program:chat]\ncommand=x\nenvironment=API_KEY="canary" PORT="1"\n',
            r"malformed in section \[program:chat\]",
        ),
        ('[program:chat]\ncommand=x\nenvironment=API_KEY="canary\n', "never closed"),
        ('[program:chat]\ncommand=x\nenvironment=API_KEY="canary%"\n', "cannot be expanded"),
        ('[program:chat]\ncommand=x\nenvironment=API_KEY="canary%(nope)s"\n', "'nope' is not a known name"),
        ("API_KEY=canary\n", r"line 1 of .*chat\.ini stands before any \[section\]"),
        ("[program:chat]\ncommand=x\nAPI_KEY canary\n", r"line 3 of .*chat\.ini"),
        ("[program:chat]\nenvironment=API_KEY=canary\n", "command"),
        ("[program:chat]\ncommand=x\nstartsecs=soon\n", "soon"),
        ("[program:chat]\ncommand=x\nstdout_logfile=/no/such/folder/x.log\n", "/no/such/folder"),
    ],
)
def test_problems_are_told_without_values(server: Server, content: str, message: str) -> None:
    with pytest.raises(SupervisordProblem, match=message) as problem:
        server.check(content)
    assert "API_KEY=" not in str(problem.value)
    if "API_KEY" in content:
        assert "canary" not in str(problem.value)


def test_another_broken_file_is_named(server: Server) -> None:
    (server.included / "other.ini").write_text("TOKEN=canary\n")
    with pytest.raises(SupervisordProblem, match=r"line 1 of .*other\.ini") as problem:
        server.check(GOOD)
    assert "canary" not in str(problem.value)


def test_a_folder_that_is_not_included_is_told(server: Server) -> None:
    server.target = server.folder / "elsewhere" / "chat.ini"
    with pytest.raises(SupervisordProblem, match=r"does not include .*elsewhere"):
        server.check(GOOD)


def test_a_python_without_supervisor_is_told(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONNOUSERSITE", "1")
    found: dict[str, Any] = {}

    def run(command: list[str], **options: Any) -> tuple[int, str, str]:
        found["answer"] = _run([command[0], "-I", "-S", *command[1:]], **options)
        return found["answer"]

    with pytest.raises(SupervisordProblem, match="No module named 'supervisor'"):
        Supervisord(sys.executable, str(server.main), {}).check(run, str(server.target), os.devnull)
