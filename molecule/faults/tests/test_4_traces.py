"""Where the secrets of all those plays can be found."""

from pathlib import Path

from testinfra.host import Host

from canaries import shown
from watched_plays import SYSLOG

HOLDERS = {
    "/etc/aichat-backend/api-key",
    "/etc/aichat-backend/config.yaml",
    "/etc/nginx/aichat/elsewhere.conf",
    "/etc/supervisord.d/ai-chat.ini",
}
_PLACES = "/etc /opt /root /run /srv /tmp /usr/local /usr/sbin /var"


def test_the_log_of_the_controller_tells_none(controllers_log: Path) -> None:
    """It has every play, also those that failed."""
    told = controllers_log.read_text()
    assert "FAILED!" in told
    assert "failed=0" in told
    assert shown(told) == []


def test_the_log_of_the_server_tells_none(host: Host) -> None:
    """It has every module with its arguments."""
    told = host.check_output(f"cat {SYSLOG}")
    for module in ("aichat_backend", "config_file", "nginx_include", "supervisord_environment", "restore_point"):
        assert f"{module}: Invoked with" in told
    assert shown(told) == []


def test_the_files_that_are_to_hold_them_do_and_no_others(host: Host) -> None:
    """Those are for root and the service alone, as is what Ansible leaves when it is killed."""
    held = host.run(f"grep -rlF canary- {_PLACES} --exclude-dir=.cache --exclude-dir=.ansible --exclude-dir=releases")
    assert set(held.stdout.split()) == HOLDERS
    modes = host.check_output(f"stat --format '%a %U:%G' {' '.join(sorted(HOLDERS))}")
    assert set(modes.splitlines()) == {"640 root:pmm"}
