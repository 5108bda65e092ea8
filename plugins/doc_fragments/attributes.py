# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the modules say alike about how they can be run."""

from __future__ import annotations


class ModuleDocFragment:
    """The attributes that every module has; each adds how it supports them where that differs."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    support: full
    description: Can run in check mode and says what would change.
  diff_mode:
    support: full
    description: Shows what changes; values of variables named like secrets are hidden.
  platform:
    support: full
    platforms: posix
    description: The operating systems it works on.
"""

    ACTION = r"""
options: {}
attributes:
  action:
    support: full
    description: Has a part that runs on the controller.
  async:
    support: none
    description: Supports the C(async) keyword.
"""
