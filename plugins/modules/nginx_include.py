#!/usr/bin/python

# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nginx_include
short_description: Keep locations in an own file and include them in a server block, or change nothing
version_added: 0.1.0
description:
  - Places a file with locations and one line that includes it in each server block that listens on given ports.
    What such a line included before under another path is removed.
  - The whole configuration is tested with C(nginx -t) before and after. When nginx is broken already, and not by the locations,
    nothing is added; when it refuses the change, everything is put back as it was and nginx's own message is shown.
  - A line or a file that got lost, as when PMM replaced its configuration, is put back.
  - Nothing is reloaded; that is for the caller.
extends_documentation_fragment:
  - percona.pmm_ai_chat.attributes
attributes:
  check_mode:
    details: The configuration as it is gets tested then, too.
options:
  state:
    description:
      - Whether the locations are there. V(absent) removes the file and the line, also from an nginx that is broken.
        It is put back only when nginx was well before and is not without it.
    type: str
    choices: [present, absent]
    default: present
  configuration:
    description: The file with the server block.
    type: path
    default: /etc/nginx/conf.d/pmm.conf
  path:
    description: The file for the locations, in a folder of its own.
    type: path
    default: /etc/nginx/aichat/locations.conf
  content:
    description:
      - The locations. Required with O(state=present).
      - They may hold secrets, which a diff does not show, in C(proxy_set_header) for headers whose names end in words such as C(Secret) or C(Token).
        Let O(mode) keep others from reading the file then.
    type: str
  listen:
    description: The server blocks that listen on one of these ports are the ones.
    type: list
    elements: int
    default: [8443, 8080]
  owner:
    description: Owner of the file with the locations.
    type: str
    default: root
  group:
    description: Group of the file with the locations.
    type: str
    default: root
  mode:
    description: Mode of the file with the locations.
    type: str
    default: "0644"
  user:
    description: The user who tests the configuration when nginx is not running; otherwise it is the one nginx runs as.
    type: str
  executable:
    description: Name or path of nginx.
    type: str
    default: nginx
author:
  - percona.pmm_ai_chat contributors (@percona)
"""

EXAMPLES = r"""
- name: Serve the chat behind PMM's login
  percona.pmm_ai_chat.nginx_include:
    content: "{{ lookup('ansible.builtin.template', 'locations.conf.j2') }}"
    user: pmm
  notify: Reload nginx
"""

RETURN = r"""
running:
  description: Whether nginx is running; only then there is something to reload.
  returned: success
  type: bool
  sample: true
superseded:
  description: Files with locations that went, or would go, because the locations have another path now.
  returned: success
  type: list
  elements: str
  sample: [/etc/nginx/aichat/locations.conf]
"""

import os
import pwd

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._atomic_file import (
    Attributes,
    FileProblem,
    apply_attributes,
    attributes,
    attributes_differ,
    attributes_difference,
    read_regular,
    write_atomically,
)
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._masking import mask
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._nginx_config import (
    MARK,
    NginxProblem,
    superseded,
    with_include,
    without_include,
)
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._nginx_host import configuration_errors, master_user


class Original:
    """A file as it was, to be put back to the byte and to the second."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.content = read_regular(path)
        self.stat = os.lstat(path) if self.content is not None else None

    def restore(self) -> None:
        if self.content is None or self.stat is None:
            if os.path.lexists(self.path):
                os.unlink(self.path)
            return
        kept = Attributes(self.stat.st_uid, self.stat.st_gid, self.stat.st_mode & 0o7777)
        write_atomically(self.path, self.content, kept)
        os.utime(self.path, ns=(self.stat.st_atime_ns, self.stat.st_mtime_ns))


class NginxInclude:
    """One run: what is there, what shall be there, and the way between."""

    def __init__(self, module: AnsibleModule, content: str | None) -> None:
        self.module = module
        self.present = module.params["state"] == "present"
        self.locations = Original(module.params["path"])
        # What has nothing of ours is left as it is, whatever it is.
        absent = not self.present and not _mentions(module.params["configuration"], self.locations.path, MARK)
        self.configuration = None if absent else Original(module.params["configuration"])
        self.folder = os.path.dirname(self.locations.path)
        self.master = master_user()
        self.text = "" if self.configuration is None else _text_of(self.configuration)
        self.attributes = attributes(module.params["owner"], module.params["group"], module.params["mode"])
        try:
            self.new_text = self._edited()
            self.superseded = [Original(path) for path in superseded(self.text, self.locations.path)]
        except NginxProblem as problem:
            raise NginxProblem("{}: {}".format(module.params["configuration"], problem)) from None
        self.new_locations = content.encode() if self.present and content is not None else None

    def _edited(self) -> str:
        if self.present:
            return with_include(self.text, self.locations.path, self.module.params["listen"])
        return without_include(self.text, self.locations.path)

    def run(self) -> dict[str, object]:
        text_changes = self.new_text != self.text
        locations_change = self.new_locations != self.locations.content
        restored = self.present and not locations_change and attributes_differ(self.locations.path, self.attributes)
        differences = self._differences(text_changes, locations_change, restored)
        if text_changes or locations_change:
            broken = self._broken_before()
            if not self.module.check_mode:
                self._change_or_restore(text_changes, locations_change, broken)
        if restored and not self.module.check_mode:
            apply_attributes(self.locations.path, self.attributes)
        return {
            "changed": text_changes or locations_change or restored,
            "running": self.master is not None,
            "superseded": [original.path for original in self.superseded],
            "diff": differences,
        }

    def _errors(self) -> str | None:
        user = self.master
        name = self.module.params["user"]
        if user is None and name is not None:
            try:
                user = pwd.getpwnam(name).pw_uid
            except KeyError:
                raise FileProblem(f"There is no user {name!r} on this host.") from None
        executable = self.module.get_bin_path(
            self.module.params["executable"], opt_dirs=["/usr/sbin", "/usr/local/sbin"]
        )
        if executable is None:
            raise FileProblem("{} is not on this host: install it first.".format(self.module.params["executable"]))
        return configuration_errors(executable, user)

    def _broken_before(self) -> bool:
        """Whether nginx refuses its configuration already. What it says of our own file, the change may mend."""
        errors = self._errors()
        ours = [self.locations, *self.superseded]
        if errors is not None and self.present and not any(original.path in errors for original in ours):
            raise NginxProblem(
                f"nginx refuses its configuration already, so nothing was touched; repair it first:\n{errors}"
            )
        return errors is not None

    def _change_or_restore(self, text_changes: bool, locations_change: bool, broken: bool) -> None:
        made_folder = self.present and not os.path.isdir(self.folder)
        try:
            if made_folder:
                os.makedirs(self.folder, mode=0o755)
            # The file comes before the line that includes it, and goes after it.
            if self.new_locations is not None and locations_change:
                write_atomically(self.locations.path, self.new_locations, self.attributes)
            if text_changes:
                write_atomically(self.module.params["configuration"], self.new_text.encode(), Attributes())
            if self.new_locations is None and locations_change:
                os.unlink(self.locations.path)
            for original in self.superseded:
                if original.content is not None:
                    os.unlink(original.path)
            errors = self._errors()
            if errors is not None and (self.present or not broken):
                raise NginxProblem(f"nginx refused the change, everything was put back as it was:\n{errors}")
            if errors is not None:
                self.module.warn(f"nginx refuses its configuration without the locations as well: {errors}")
        except BaseException:
            if self.configuration is not None:
                self.configuration.restore()
            for original in (self.locations, *self.superseded):
                original.restore()
            if made_folder:
                os.rmdir(self.folder)
            raise
        left = {os.path.dirname(original.path) for original in self.superseded} | {self.folder}
        for folder in left:
            if os.path.isdir(folder) and not os.listdir(folder):
                os.rmdir(folder)

    def _differences(self, text_changes: bool, locations_change: bool, restored: bool) -> list[dict[str, str]]:
        found = []
        if text_changes:
            found.append(_difference(self.module.params["configuration"], self.text, self.new_text))
        if locations_change:
            before = (self.locations.content or b"").decode(errors="replace")
            found.append(_difference(self.locations.path, before, (self.new_locations or b"").decode()))
        if restored:
            found.append(attributes_difference(self.locations.path, self.attributes))
        return found + [
            _difference(original.path, (original.content or b"").decode(errors="replace"), "")
            for original in self.superseded
        ]


def _mentions(path: str, *words: str) -> bool:
    try:
        with open(path, "rb") as stream:
            content = stream.read()
            return any(word.encode() in content for word in words)
    except FileNotFoundError:
        return False


def _text_of(original: Original) -> str:
    if original.content is None:
        raise FileProblem(f"{original.path} does not exist: is PMM's nginx on this host?")
    return original.content.decode()


def _difference(path: str, before: str, after: str) -> dict[str, str]:
    return {"before_header": path, "after_header": path, "before": mask(before), "after": mask(after)}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "configuration": {"type": "path", "default": "/etc/nginx/conf.d/pmm.conf"},
            "path": {"type": "path", "default": "/etc/nginx/aichat/locations.conf"},
            "content": {"type": "str", "no_log": True},
            "listen": {"type": "list", "elements": "int", "default": [8443, 8080]},
            "owner": {"type": "str", "default": "root"},
            "group": {"type": "str", "default": "root"},
            "mode": {"type": "str", "default": "0644"},
            "user": {"type": "str"},
            "executable": {"type": "str", "default": "nginx"},
        },
        required_if=[("state", "present", ("content",))],
        supports_check_mode=True,
    )
    # The masked diff is shown on purpose; as a whole the text must not count as a secret, or the diff would be empty.
    content = module.params["content"]
    module.no_log_values.discard(content)
    module.params["content"] = "(not shown)"
    os.umask(0o022)
    try:
        result = NginxInclude(module, content).run()
    except (FileProblem, NginxProblem, OSError) as problem:
        module.fail_json(msg=str(problem))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
