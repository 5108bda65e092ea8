"""Plays that stop, so that they go on and get nowhere, until they are ended."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from controller import PROJECT
from following import begin, follow_to

_CALLBACKS = str(PROJECT / "molecule/callbacks")


@contextmanager
def stopped_at(
    task: str, edition: Path | None, variables: Mapping[str, object], *, name: str = "deploy_ai_chat"
) -> Iterator[int]:
    """Play until right before this task, and kill it in the end; gives the number of its process."""
    settings = {"ANSIBLE_CALLBACK_PLUGINS": _CALLBACKS, "STOP_AT_TASK": task}
    process = begin(name, edition, variables, settings=settings)
    assert process.stdout is not None
    try:
        follow_to(task, process.stdout)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        assert process.poll() is None, f"the play did not stop at: {task}"
        yield process.pid
    finally:
        process.kill()
        process.communicate()
