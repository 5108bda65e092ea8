"""The life of the package on a server, told in order: deployed, updated, replaced by hand, beside others, removed."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from testinfra.host import Host

from controller import PROJECT, on_the_controller
from pmm_client import PMMClient

PACKAGE = "pmm-aichat-backend"
PROGRAM = "/usr/sbin/aichat-backend"
HOME = "/usr/lib/aichat-backend"
LINK = "/etc/aichat-backend/mcp-servers.json"
TOOLS = "/srv/aichat-backend/mcp-servers.json"
BY_HAND = "/usr/local/bin/aichat-backend"
OFFER_THE_NEXT = "cp /srv/packages/*-2.py*.rpm /srv/repository && createrepo_c --quiet --update /srv/repository"
CONFIGURATION = (
    "/etc/supervisord.d /etc/aichat-backend /etc/nginx /srv/aichat-backend/mcp-servers.json /var/lib/aichat-backend"
)


def play(**variables: object) -> tuple[int, str]:
    """Deploy again with these variables, and return how it ended and what it said."""
    done = on_the_controller(
        "ansible-playbook", str(PROJECT / "molecule/rpm/converge.yml"), "--extra-vars", json.dumps(variables)
    )
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def configuration(host: Host) -> str:
    """Return every file of the configuration with owner, mode and content."""
    listed = host.check_output(f"find {CONFIGURATION} -printf '%p %u %g %m %l\\n' | sort")
    return str(listed) + str(host.check_output(f"find {CONFIGURATION} -type f -exec sha256sum {{}} + | sort"))


def running(host: Host) -> str:
    """Return the release folder that the service's process runs from."""
    pid = host.check_output("supervisorctl pid aichat-backend")
    command: str = host.check_output(f"tr '\\0' ' ' </proc/{pid}/cmdline")
    return command.partition("/bin/python ")[0].removeprefix(HOME + "/")


def installed(host: Host) -> str:
    """Return version and release of the package."""
    return str(host.check_output(f"rpm -q --qf '%{{VERSION}}-%{{RELEASE}}' {PACKAGE}"))


@contextmanager
def port_taken(host: Host) -> Iterator[None]:
    """Let another program have the port 3002 meanwhile."""
    host.check_output("setsid python3 -m http.server 3002 </dev/null >/dev/null 2>&1 & echo $! >/run/taker")
    try:
        yield
    finally:
        host.check_output("kill $(cat /run/taker)")


def test_the_service_runs_from_the_package(host: Host) -> None:
    """The launcher is the package's, and so is the folder."""
    assert host.check_output(f"rpm -q --qf '%{{NAME}}' --file {PROGRAM}") == PACKAGE
    assert running(host) == installed(host)
    assert installed(host).endswith("-1.py313")
    assert not host.file("/opt/aichat-backend").exists


def test_a_question_is_answered_through_nginx(alice: PMMClient) -> None:
    """All the Python that it takes is in the package."""
    events = alice.ask("What changed since yesterday?", alice.create_session("packaged"))
    assert events[-1].data["type"] == "done"


def test_files_are_read_in_a_process_of_their_own(host: Host, alice: PMMClient) -> None:
    """The service starts its own Python again; that one must find the same packages."""
    host.check_output("printf 'a,b\\n1,2\\n' >/tmp/table.csv")
    assert alice.upload("Read this.", "/tmp/table.csv").status == 200


def test_the_package_names_its_configuration(host: Host) -> None:
    """What an operator may edit is known to rpm as such."""
    files = host.check_output(f"rpm --query --configfiles {PACKAGE}").split()
    assert files == ["/etc/aichat-backend/config.yaml", LINK, TOOLS]


def test_the_role_and_the_package_agree_on_every_file(host: Host) -> None:
    """Only the settings differ, which hold the role's variables; nothing was taken for an operator's edit."""
    changed = host.run(f"rpm --verify --nodeps {PACKAGE}").stdout.splitlines()
    assert [line.split()[-1] for line in changed] == ["/etc/aichat-backend/config.yaml"]
    assert 'llm_provider: "mock"' in host.file("/etc/aichat-backend/config.yaml").content_string
    assert host.check_output("find /etc/aichat-backend /srv/aichat-backend -name '*.new' -o -name '*.rpm*'") == ""


def test_no_bytecode_is_made_at_run_time(host: Host) -> None:
    """It would stay when the package goes."""
    files = host.check_output(f"find {HOME} -name '*.pyc' -newer /etc/aichat-backend/config.yaml")
    assert files == ""


def test_the_play_that_goes_back_to_a_release_leaves_the_package_alone(host: Host) -> None:
    """It says what goes back instead."""
    before = host.check_output(f"sha256sum {PROGRAM}")
    refused = on_the_controller(
        "ansible-playbook", "playbooks/roll_back_ai_chat.yml", "--extra-vars", '{"ai_chat_install_method": "rpm"}'
    )
    assert refused.returncode != 0
    assert f"dnf downgrade {PACKAGE}" in " ".join((refused.stdout + refused.stderr).split())
    assert host.check_output(f"sha256sum {PROGRAM}") == before


def test_an_update_that_is_not_healthy_goes_and_the_package_before_comes_back(
    host: Host, wait_until_healthy: Callable[[], None]
) -> None:
    """A newer one is in the repository, and the port that it is given is taken."""
    before, files = installed(host), configuration(host)
    host.check_output(OFFER_THE_NEXT)
    with port_taken(host):
        code, said = play(ai_chat_port=3002, ai_chat_health_timeout=8)
    assert code != 0
    assert "The server is as it was before this play" in said
    assert "The service is healthy." in said
    assert installed(host) == running(host) == before
    assert configuration(host) == files
    wait_until_healthy()


def test_yum_update_brings_the_next_release_and_the_service_runs_it(
    host: Host, wait_until_healthy: Callable[[], None]
) -> None:
    """The one command of the description; edits stay."""
    before = running(host)
    host.check_output("sed -i 's/PMM.s logs, to be read/mine/' " + TOOLS)
    host.check_output(OFFER_THE_NEXT)
    done = host.run(f"yum --assumeyes update {PACKAGE}")
    assert done.rc == 0, done.stdout + done.stderr
    wait_until_healthy()
    assert running(host) == installed(host) != before
    assert host.check_output(f"ls {HOME}") == installed(host)
    assert "mine" in host.file(TOOLS).content_string


def test_dnf_downgrade_brings_the_release_before_and_the_service_runs_it(
    host: Host, wait_until_healthy: Callable[[], None]
) -> None:
    """And forward again; an edit and all that the role has placed stay each time."""
    newer, before = installed(host), configuration(host)
    for command, goal in (("downgrade", newer.replace("-2.", "-1.")), ("update", newer)):
        done = host.run(f"dnf --assumeyes {command} {PACKAGE}")
        assert done.rc == 0, done.stdout + done.stderr
        wait_until_healthy()
        assert running(host) == installed(host) == host.check_output(f"ls {HOME}") == goal
        assert configuration(host) == before


def test_the_bundle_is_refused_and_nothing_touched(host: Host) -> None:
    """The program is the package's; the message says what to choose from."""
    done = on_the_controller("ansible", "pmm-servers", "-m", "percona.pmm_ai_chat.aichat_backend")
    said = " ".join(done.stdout.split())
    assert done.returncode != 0
    assert "belongs to the package pmm-aichat-backend" in said
    assert "dnf remove pmm-aichat-backend" in said
    assert not host.file("/opt/aichat-backend").exists
    assert running(host) == installed(host)


def test_a_program_replaced_by_hand_stays(host: Host, wait_until_healthy: Callable[[], None]) -> None:
    """As the description does it: stop, copy, start; a play leaves it, an update brings the package's back."""
    host.check_output(f"cp {PROGRAM} /root/packaged && sed '2i # mine' {PROGRAM} >/root/new-aichat-backend")
    for command in (
        "supervisorctl stop aichat-backend",
        f"cp /root/new-aichat-backend {PROGRAM}",
        f"chmod +x {PROGRAM}",
        "supervisorctl start aichat-backend",
    ):
        host.check_output(command)
    wait_until_healthy()
    code, said = play()
    assert code == 0, said
    assert "was put there by hand" in said
    assert "changed=0" in said
    assert "# mine" in host.file(PROGRAM).content_string
    host.check_output(f"dnf --assumeyes reinstall {PACKAGE}")
    assert "# mine" not in host.file(PROGRAM).content_string


def test_a_program_under_usr_local_is_run_instead_when_it_is_named(host: Host) -> None:
    """Both are there; the variable decides, and neither is touched."""
    host.check_output(f"install -m 0755 /root/new-aichat-backend {BY_HAND}")
    code, said = play(ai_chat_launcher_path=BY_HAND)
    assert code == 0, said
    assert f"command={BY_HAND} --env-only" in host.file("/etc/supervisord.d/ai-chat.ini").content_string
    assert "# mine" in host.file(BY_HAND).content_string
    assert host.run(f"rpm --verify --nodeps {PACKAGE}").stdout.count(PROGRAM) == 0


def test_the_package_goes_and_leaves_what_is_the_operators(host: Host) -> None:
    """Nothing of it remains but edited files and the data; then the bundle may come."""
    host.check_output(f"dnf --assumeyes remove {PACKAGE}")
    assert host.run("supervisorctl status aichat-backend").stdout.split()[1] != "RUNNING"
    assert not host.file(PROGRAM).exists
    assert not host.file(HOME).exists
    assert host.file("/srv/aichat-backend/chat.db").exists
    assert host.file(f"{TOOLS}.rpmsave").exists
    # It counts as edited with the role's variables in it. The operator has seen it.
    host.check_output("rm /etc/aichat-backend/config.yaml.rpmsave")


def test_a_host_without_the_user_is_no_pmm_server(host: Host) -> None:
    """Installing is refused there."""
    host.check_output("sed -i.before s/^pmm:/somebody:/ /etc/passwd")
    try:
        done = host.run(f"dnf --assumeyes install {PACKAGE}")
    finally:
        host.check_output("mv /etc/passwd.before /etc/passwd")
    assert "there is no user pmm" in done.stdout + done.stderr
    assert not host.file(PROGRAM).exists


def test_the_bundle_comes_when_the_package_is_gone_and_the_package_takes_over_again(host: Host) -> None:
    """Both ways between the two, with the data of one service."""
    (wheelhouse,) = (PROJECT / ".cache/wheelhouse").glob("aichat-backend-*-wheelhouse-py3.13-*.tar")
    code, said = play(ai_chat_install_method="bundle", ai_chat_wheelhouse=str(wheelhouse))
    assert code == 0, said
    assert running(host).startswith("/opt/aichat-backend/releases/")
    code, said = play()
    assert code == 0, said
    assert running(host) == installed(host)
    assert host.check_output(f"rpm -q --qf '%{{NAME}}' --file {PROGRAM}") == PACKAGE
    assert host.file("/opt/aichat-backend/current").exists
    assert host.check_output("find /etc/aichat-backend /srv/aichat-backend -name '*.rpm*' ! -name '*.rpmsave'") == ""


def test_absent_takes_the_package_away_and_leaves_what_is_the_operators(host: Host) -> None:
    """The edited list of tool servers becomes a copy; the data stay."""
    host.check_output(f"sed -i 's/PMM.s logs, to be read/mine/' {TOOLS}")
    code, said = play(ai_chat_state="absent")
    assert code == 0, said
    assert host.run(f"rpm --query {PACKAGE}").rc == 1
    assert host.run("supervisorctl status aichat-backend").rc == 4
    gone = (PROGRAM, HOME, "/opt/aichat-backend", "/etc/supervisord.d/ai-chat.ini", "/etc/aichat-backend", TOOLS)
    assert [path for path in gone if host.file(path).exists] == []
    assert "mine" in host.check_output(f"cat {TOOLS}.*~")
    assert host.file("/srv/aichat-backend/chat.db").exists


def test_remove_data_leaves_nothing(host: Host) -> None:
    """But for the program that the operator put there himself, and the repository."""
    code, said = play(ai_chat_state="absent", ai_chat_remove_data=True)
    assert code == 0, said
    places = ("/proc", "/root", "/srv/packages", "/srv/repository", "/sys", "/var/cache")
    known = " -o ".join(f"-path {place}" for place in places)
    left = host.check_output(f"find / \\( {known} \\) -prune -o -iname '*ai*chat*' -print").split()
    assert left == [BY_HAND]


def test_a_first_deployment_that_fails_takes_the_package_away_with_all_that_is_the_roles(host: Host) -> None:
    """To rpm the settings are edited, with the role's variables in them: a copy of them would have the secrets."""
    with port_taken(host):
        code, said = play(ai_chat_port=3002, ai_chat_health_timeout=8)
    assert code != 0
    assert "There was no chat backend on this server before" in said
    assert host.run(f"rpm --query {PACKAGE}").rc == 1
    assert host.check_output("find /etc /srv/aichat-backend -name '*.rpmsave' 2>/dev/null || true") == ""
    gone = (PROGRAM, HOME, "/etc/supervisord.d/ai-chat.ini", "/etc/aichat-backend", "/var/lib/aichat-backend")
    assert [path for path in gone if host.file(path).exists] == []


def test_a_plain_install_never_loses_the_operators_own_list(host: Host) -> None:
    """Be it where the service reads it or where the package has its link; also when the package goes again."""
    host.check_output("mkdir -p /etc/aichat-backend /srv/aichat-backend")
    for path in (LINK, TOOLS):
        host.check_output(f"echo '{{}}' >{path}")

    host.check_output(f"dnf --assumeyes install {PACKAGE}")
    assert [host.file(path).content_string for path in (LINK, TOOLS)] == ["{}\n", "{}\n"]
    assert host.file(f"{LINK}.rpmnew").linked_to == TOOLS
    assert "PMM's logs" in host.file(f"{TOOLS}.rpmnew").content_string

    code, said = play()
    assert code != 0
    assert f"{LINK} is a file, and the package has a link there" in said

    host.check_output(f"dnf --assumeyes remove {PACKAGE}")
    assert [host.file(f"{path}.rpmsave").content_string for path in (LINK, TOOLS)] == ["{}\n", "{}\n"]
    host.check_output(f"rm -r /etc/aichat-backend {TOOLS}*")
