"""Secrets that lie in files of their own, so that no list of processes and no configuration shows them."""

from __future__ import annotations

from pathlib import Path

from aichat_backend.config.problems import ConfigurationError, variable

_READABLE_BY_EVERYONE = 0o004


def read_secret_file(setting: str, file: Path) -> tuple[str, tuple[str, ...]]:
    """What is in the file that the setting names, and what looked odd about it.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    try:
        text = file.read_text(encoding="utf-8")
        mode = file.stat().st_mode
    except OSError as error:
        raise ConfigurationError([f"{variable(setting)}: {file} cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError([f"{variable(setting)}: {file} is not text"]) from error
    if mode & _READABLE_BY_EVERYONE:
        return text, (f"{file} is readable by everyone on this machine: chmod 0640 it",)
    return text, ()
