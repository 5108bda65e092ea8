"""Plays that are killed, with all that they run on the server, as by a restart of both machines."""

import os
import signal
from collections.abc import Callable, Mapping
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
        os.killpg(process.pid, signal.SIGKILL)
        _kill_what_it_runs(host)
        rest, _nothing = process.communicate()
    return said + rest


def _kill_what_it_runs(host: Host) -> None:
    """Whatever descends neither from the server's first process nor from the command that lists them."""
    listed = [line.split() for line in host.check_output("ps -e -o pid=,ppid=").splitlines()]
    parents = {int(pid): int(parent) for pid, parent in listed}
    strangers = [pid for pid in parents if _ancestor(pid, parents) != 1]
    # Some, like the command that listed them, have ended meanwhile.
    host.run("kill -KILL " + " ".join(map(str, strangers)))


def _ancestor(pid: int, parents: Mapping[int, int]) -> int:
    while parents.get(pid, 0) != 0:
        pid = parents[pid]
    return pid
