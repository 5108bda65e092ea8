"""What a deployment may change on a server, in a form that can be compared."""

from testinfra.host import Host

_PLACES = "/etc /opt /root /srv /usr/sbin /usr/local /var/lib"
_DATA = r"-path '/srv/aichat-backend/*' ! -name 'mcp-servers.json*'"
# What the service writes, what Ansible leaves of itself, and the caches of packages.
_LEFT_OUT = rf"-path /srv/logs -o {_DATA} -o -path /root/.ansible -o -path /root/.cache -o -path /opt/uv"
_RELEASES = "-path '/opt/aichat-backend/releases/*/*'"


def state(host: Host, *, times: bool = True) -> str:
    """Every file with its kind, owner, mode, target and content, and with its time; the releases by their names."""
    what = "%p %y %u %g %m %l" + (" %T@" if times else "")
    pruned = rf"\( {_LEFT_OUT} -o {_RELEASES} \) -prune -o"
    files = host.check_output(f"find {_PLACES} {pruned} ! -type d -printf '{what}\\n' | sort")
    folders = host.check_output(f"find {_PLACES} {pruned} -type d -printf '%p %u %g %m\\n' | sort")
    contents = host.check_output(f"find {_PLACES} {pruned} -type f -print0 | sort -z | xargs -0 sha256sum")
    return f"{folders}\n{files}\n{contents}"
