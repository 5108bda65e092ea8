#!/usr/bin/python

# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mcp_runtime
short_description: Install what MCP tool servers are started with from an archive on the controller
version_added: 0.1.0
description:
  - Installs Node.js (for C(npx)), uv (for C(uvx)) or a Python for uv, each from the archive that its makers publish. Nothing is fetched from a network.
  - The archive is read to its end on the controller first. One that is damaged, is not of this part, or is for another architecture is refused
    before anything is transferred.
  - It is unpacked into a folder of its own, which belongs to root and is named by the archive's digest, and tried there. Then links on the
    C(PATH) are led to it, each in one step. The one that was in use before stays beside it.
  - A program that somebody else has put where a link belongs is refused, never replaced.
  - An installation that was interrupted is recognised, removed and done again.
extends_documentation_fragment:
  - percona.pmm_ai_chat.attributes
  - percona.pmm_ai_chat.attributes.action
attributes:
  action:
    details: The archive is read on the controller and transferred only when the host lacks its content.
options:
  part:
    description: What to install or to remove. V(python) is Python 3.13.
    type: str
    choices: [node, uv, python]
    required: true
  state:
    description: V(absent) removes the part, its links and its earlier version, as far as this module has placed them.
    type: str
    choices: [present, absent]
    default: present
  archive:
    description:
      - A file on the controller, for O(state=present) - Node's C(node-v22.11.0-linux-x64.tar.xz), uv's C(uv-x86_64-unknown-linux-gnu.tar.gz),
        for Python the C(cpython-3.13.*-install_only.tar.gz) that uv itself installs. Compressed by gzip, xz or bzip2.
      - A relative path counts from the folder in which Ansible was started.
    type: path
  sha256:
    description: What the archive's SHA-256 digest must be.
    type: str
  root:
    description: The folder for what is installed.
    type: path
    default: /opt/aichat-mcp-runtime
  links:
    description: The folder for the links, which must be on the C(PATH) of the service.
    type: path
    default: /usr/local/bin
  user:
    description: Who tries the programs before they are linked. Without it, whoever runs the module.
    type: str
  shipment:
    description: What the controller has found; set by the action plugin.
    type: dict
    suboptions:
      digest:
        description: SHA-256 of the archive.
        type: str
        required: true
      archive:
        description: Where the archive was transferred to.
        type: path
author:
  - percona.pmm_ai_chat contributors (@percona)
"""

EXAMPLES = r"""
- name: Install Node for tool servers that are started with npx
  percona.pmm_ai_chat.mcp_runtime:
    part: node
    archive: files/node-v22.11.0-linux-x64.tar.xz
    sha256: "{{ node_sha256 }}"
    user: pmm

- name: Remove it
  percona.pmm_ai_chat.mcp_runtime:
    part: node
    state: absent
"""

RETURN = r"""
home:
  description: The folder of what is installed.
  returned: when O(state=present)
  type: str
  sample: /opt/aichat-mcp-runtime/node-9f8e7d6c5b4a
version:
  description: Its version, when it was installed by this run.
  returned: when it was installed
  type: str
  sample: 22.11.0
replaced:
  description: The folder of what was in use before, when that was another one.
  returned: when O(state=present) and there was another one
  type: str
  sample: /opt/aichat-mcp-runtime/node-0f343b093112
links:
  description: The links that lead to it, or that were removed.
  returned: success
  type: list
  elements: str
  sample: [/usr/local/bin/node, /usr/local/bin/npm, /usr/local/bin/npx]
removed:
  description: Folders that were removed.
  returned: success
  type: list
  elements: str
  sample: []
"""

import os
import platform
import pwd
import shutil

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._lock import Busy
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._mcp_archive import ArchiveProblem
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._mcp_parts import PARTS, Part
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._mcp_runtime import RuntimeFolder, RuntimeProblem
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._run_as import Identity, identity_of


def described(links: dict[str, str], homes: list[str]) -> str:
    """Links and folders for a diff."""
    lines = [f"{path} -> {target}" for path, target in links.items()]
    return "".join(f"{line}\n" for line in lines + sorted(homes))


def difference(root: str, before: str, after: str) -> dict[str, str]:
    """What changes, for a diff."""
    return {"before_header": root, "after_header": root, "before": before, "after": after}


def present(module: AnsibleModule, folder: RuntimeFolder, part: Part) -> dict[str, object]:
    """Bring folder and links to what they should be."""
    shipment = module.params["shipment"]
    home = folder.home(part, shipment["digest"])
    homes = folder.homes(part)
    before = folder.linked_home(part)
    there, links = folder.our_links(part), folder.wanted_links(part, home)
    install = not folder.is_whole(part, home)
    removed = [name for name in homes if name not in (home, before)] if install else []
    left = sorted({*homes, home} - {*removed})
    result: dict[str, object] = {
        "changed": install or there != links or bool(folder.leftovers()),
        "home": home,
        "links": sorted(links),
        "removed": removed,
        "diff": difference(folder.root, described(there, homes), described(links, left)),
    }
    if before not in (None, home):
        result["replaced"] = before
    if install and shipment["archive"] is None:
        return {**result, "archive_wanted": {"machine": platform.machine(), "room": room(folder.root)}}
    if module.check_mode or not result["changed"]:
        return result
    with folder.locked():
        # Another play may have been quicker.
        if not folder.is_whole(part, home):
            result["version"] = folder.install(part, shipment["archive"], home, _identity(module.params["user"]))
        folder.link(links)
        folder.remove(removed)
    return result


def absent(module: AnsibleModule, folder: RuntimeFolder, part: Part) -> dict[str, object]:
    """Remove what this module has placed."""
    links, homes = folder.our_links(part), folder.homes(part)
    changed = bool(links or homes) or bool(folder.leftovers())
    if changed and not module.check_mode:
        with folder.locked():
            for path in links:
                os.unlink(path)
            folder.remove(homes)
            folder.leave()
    diff = difference(folder.root, described(links, homes), "")
    return {"changed": changed, "links": sorted(links), "removed": homes, "diff": diff if changed else []}


def room(path: str) -> int:
    """How many bytes are free where the folder is, or is going to be."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return shutil.disk_usage(path).free


def _identity(user: str | None) -> Identity | None:
    if user is None:
        return None
    try:
        return identity_of(pwd.getpwnam(user).pw_uid)
    except KeyError:
        raise RuntimeProblem(f"There is no user {user!r} on this host.") from None


STATES = {"present": present, "absent": absent}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "part": {"type": "str", "choices": ["node", "uv", "python"], "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "archive": {"type": "path"},
            "sha256": {"type": "str"},
            "root": {"type": "path", "default": "/opt/aichat-mcp-runtime"},
            "links": {"type": "path", "default": "/usr/local/bin"},
            "user": {"type": "str"},
            "shipment": {
                "type": "dict",
                "options": {"digest": {"type": "str", "required": True}, "archive": {"type": "path"}},
            },
        },
        required_if=[("state", "present", ("archive", "shipment"))],
        supports_check_mode=True,
    )
    os.umask(0o022)
    part = PARTS[module.params["part"]]
    folder = RuntimeFolder(os.path.normpath(module.params["root"]), os.path.normpath(module.params["links"]))
    try:
        if module.params["state"] == "present":
            folder.refuse_foreign(part)
        result = STATES[module.params["state"]](module, folder, part)
    except (ArchiveProblem, Busy, RuntimeProblem) as problem:
        module.fail_json(msg=str(problem))
    except OSError as problem:
        module.fail_json(msg=f"{problem.filename or folder.root}: {problem.strerror or problem}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
