"""A dry run on a server that is as it should be."""

import re

from canary import API_KEY, PROXY_SECRET
from controller import on_the_controller


def test_check_mode_on_a_deployed_server_announces_no_change_and_no_secret() -> None:
    """Nothing to do, nothing to show."""
    done = on_the_controller("ansible-playbook", "-vvv", "--check", "--diff", "playbooks/deploy_ai_chat.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\bok=[1-9]", done.stdout)
    assert set(re.findall(r"\bchanged=(\d+)", done.stdout)) == {"0"}, done.stdout
    assert [secret for secret in (API_KEY, PROXY_SECRET) if secret in done.stdout + done.stderr] == []
