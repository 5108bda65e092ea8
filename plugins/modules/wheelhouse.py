#!/usr/bin/python

# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wheelhouse
short_description: Collect the service's packages for hosts without a network
version_added: 0.1.0
description:
  - Fetches the locked dependencies of the service as wheels for one version of Python and one architecture, which need not be
    those of the machine it runs on, and packs them into one file, the wheelhouse.
  - M(percona.pmm_ai_chat.aichat_backend) installs from it without asking a package index.
  - Runs on a machine that reaches a package index, usually the controller. The playbook C(percona.pmm_ai_chat.make_wheelhouse) does that.
extends_documentation_fragment:
  - percona.pmm_ai_chat.attributes
requirements:
  - packaging (which ansible-core brings along)
attributes:
  diff_mode:
    support: none
    description: Shows what changes.
options:
  source:
    description: Folder of the service's source, C(service) in this collection.
    type: path
    required: true
  dest:
    description: Folder for the wheelhouse; it is made when it is missing. The name of the file tells service, Python and architecture.
    type: path
    required: true
  python:
    description: The minor version of Python on the hosts.
    type: str
    choices: ["3.11", "3.12", "3.13"]
    required: true
  arch:
    description: The architecture of the hosts, as C(uname -m) says it.
    type: str
    choices: [x86_64, aarch64]
    default: x86_64
  glibc:
    description: The oldest C library among the hosts. The default fits PMM 3 and what is as new as Enterprise Linux 9.
    type: str
    default: "2.34"
author:
  - percona.pmm_ai_chat contributors (@percona)
"""

EXAMPLES = r"""
- name: Make a wheelhouse for Python 3.12 on x86_64
  percona.pmm_ai_chat.wheelhouse:
    source: "{{ playbook_dir }}/../service"
    dest: /srv/wheelhouses
    python: "3.12"
  delegate_to: localhost
"""

RETURN = r"""
path:
  description: The wheelhouse.
  returned: success
  type: str
  sample: /srv/wheelhouses/aichat-backend-0.1.0-wheelhouse-py3.12-x86_64.tar
lock:
  description: SHA-256 digest of the locked requirements it was made from.
  returned: success
  type: str
  sample: 0f343b0931126a20f133d67c2b018a3b8bc7dd4d4a5f4e0bd2a4b0c1d2e3f405
wheels:
  description: The wheels in it, none of them in check mode when it is yet to be made.
  returned: success
  type: list
  elements: str
  sample: [aiohttp-3.14.5-cp312-cp312-manylinux_2_28_x86_64.whl]
"""

import os
import re
import shutil
import tempfile

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils import _wheelhouse, _wheelhouse_making
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._installers import clean_environment
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._service_source import (
    SourceProblem,
    files_of,
    version_of,
)
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._wheelhouse import (
    Manifest,
    Platform,
    WheelhouseProblem,
)


def make(module: AnsibleModule, source: str, wanted: Manifest, path: str) -> Manifest:
    """Fetch the wheels and put the finished file in its place in one step."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(path), prefix=".wheelhouse-") as scratch:
        folder = os.path.join(scratch, "wheels")
        os.mkdir(folder)
        environment = clean_environment(dict(os.environ), scratch)
        os.environ.clear()
        os.environ.update(environment)
        with open(os.path.join(source, "requirements.txt"), encoding="utf-8") as stream:
            locked = stream.read()
        _wheelhouse_making.download(wanted.platform, locked, folder, scratch, module.run_command)
        made = Manifest(wanted.version, wanted.lock, wanted.platform, _wheelhouse.digests(folder))
        packed = os.path.join(scratch, "packed")
        with open(packed, "wb") as archive:
            _wheelhouse.write(made, folder, archive)
        os.chmod(packed, 0o644)
        shutil.move(packed, path)
    return made


def ensure(module: AnsibleModule) -> dict[str, object]:
    """Make the wheelhouse unless it is there."""
    source: str = module.params["source"]
    # Refuses what is not the source of the service.
    files_of(source)
    platform = Platform(module.params["python"], module.params["arch"], module.params["glibc"])
    wanted = Manifest(version_of(source), _wheelhouse.lock_digest(source), platform, {})
    path = os.path.join(os.path.abspath(module.params["dest"]), _wheelhouse.file_name(wanted.version, platform))
    there = _wheelhouse.is_whole(path, wanted)
    if there:
        wheels = _wheelhouse.read_manifest(path).wheels
    elif module.check_mode:
        wheels = {}
    else:
        wheels = make(module, source, wanted, path).wheels
    return {"changed": not there, "path": path, "lock": wanted.lock, "wheels": sorted(wheels)}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "source": {"type": "path", "required": True},
            "dest": {"type": "path", "required": True},
            "python": {"type": "str", "choices": ["3.11", "3.12", "3.13"], "required": True},
            "arch": {"type": "str", "choices": ["x86_64", "aarch64"], "default": "x86_64"},
            "glibc": {"type": "str", "default": "2.34"},
        },
        supports_check_mode=True,
    )
    if not _wheelhouse_making.HAS_PACKAGING:
        module.fail_json(msg=missing_required_lib("packaging"))
    if not re.fullmatch(r"2\.[0-9]{1,2}", module.params["glibc"]):
        module.fail_json(msg="glibc is {!r}: give a version such as 2.34.".format(module.params["glibc"]))
    os.umask(0o022)
    try:
        result = ensure(module)
    except (SourceProblem, WheelhouseProblem) as problem:
        module.fail_json(msg=str(problem))
    except OSError as problem:
        module.fail_json(msg="%s: %s" % (problem.filename or module.params["dest"], problem.strerror or problem))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
