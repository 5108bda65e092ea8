"""Which process this is, among all that may use one database."""

from __future__ import annotations

import socket
from pathlib import Path

from aichat_backend.chat.conversation import random_id
from aichat_backend.chat.underway import Owner

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NETWORK = Path("/proc/self/ns/net")


def this_process(host: str, port: int) -> Owner:
    """The owner of what is done here, under the name of where it listens: while it lives, nobody else can listen there.

    An address is one process's alone in one network of one machine since its start, so all that belongs to the name.
    """
    return Owner(f"{socket.gethostname()} {_boot()} {_network()} {host}:{port}", random_id())


def _boot() -> str:
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""


def _network() -> str:
    try:
        return _NETWORK.readlink().name
    except OSError:
        return ""
