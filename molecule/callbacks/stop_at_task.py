"""A callback with which a play stops itself before the task that STOP_AT_TASK names, as on Ctrl-Z.

Whoever sends it the signal from outside does not know whether the task has begun meanwhile, in a process of its own.
"""

import os
import signal

from ansible.playbook.task import Task
from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Hears of each task before anything of it is done, and after its name has been shown."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "stop_at_task"

    def v2_playbook_on_task_start(self, task: Task, **_how: object) -> None:
        """Stop at the task."""
        if task.name == os.environ["STOP_AT_TASK"]:
            os.kill(os.getpid(), signal.SIGSTOP)
