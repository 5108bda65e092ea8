"""Plays that are killed, with all that they run on the server, as by a restart of both machines."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from testinfra.host import Host

from following import begin, follow_to
from polling import until


def kill_at(
    task: str,
    host: Host,
    edition: Path | None,
    variables: Mapping[str, object],
    *,
    once: Callable[[], bool] = lambda: True,
) -> str:
    """Deploy, kill it as soon as this task has begun and the condition holds, and return what it said until then."""
    process = begin("deploy_ai_chat", edition, variables, "-vvv", "--diff")
    assert process.stdout is not None
    try:
        said = follow_to(task, process.stdout)
        until(f"the play is in the middle of: {task}", once)
    finally:
        _kill_with_its_workers(process.pid)
        _kill_what_it_runs(host)
        rest, _nothing = process.communicate()
    return said + rest


def _kill_with_its_workers(play: int) -> None:
    """Each worker of a play has a process group of its own; stopped first, none of them begins another one."""
    stopped: set[int] = set()
    while news := _with_descendants(play) - stopped:
        for pid in news:
            _send(signal.SIGSTOP, pid)
        stopped |= news
    for pid in stopped:
        _send(signal.SIGKILL, pid)
    until("the play and its workers are gone", lambda: not stopped & _alive().keys())


def _send(number: signal.Signals, pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _with_descendants(root: int) -> set[int]:
    parents = _alive()
    return {pid for pid in parents if root in _line(pid, parents)}


def _line(pid: int, parents: Mapping[int, int]) -> Iterator[int]:
    """A process, its parent, and so on."""
    while pid in parents:
        yield pid
        pid = parents[pid]


def _alive() -> dict[int, int]:
    """Every process of the controller that has not ended, and its parent."""
    listed = subprocess.run(["ps", "-e", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True)
    rows = [line.split() for line in listed.stdout.splitlines()]
    return {int(pid): int(parent) for pid, parent, state in rows if not state.startswith("Z")}


def _kill_what_it_runs(host: Host) -> None:
    """Whatever descends neither from the server's first process nor from the command that lists them."""
    listed = [line.split() for line in host.check_output("ps -e -o pid=,ppid=").splitlines()]
    parents = {int(pid): int(parent) for pid, parent in listed}
    strangers = [pid for pid in parents if 1 not in _line(pid, parents)]
    # Some, like the command that listed them, have ended meanwhile.
    host.run("kill -KILL " + " ".join(map(str, strangers)))
