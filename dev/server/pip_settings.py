"""Write this machine's package index, as pip knows it, for pip and uv inside an image: pip_settings.py FOLDER/etc.

Only addresses that a container can reach too are passed on: a local folder or a path to a certificate is not.
"""

import subprocess
import sys
from pathlib import Path

PASSED_ON = ("index-url", "extra-index-url", "trusted-host", "default-timeout", "timeout")


def pip_settings() -> dict[str, str]:
    """Return pip's settings; the environment's win over the files'."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    settings = {}
    for line in sorted(listing.splitlines(), key=lambda line: line.startswith(":env:")):
        key, separator, value = line.partition("=")
        if separator:
            settings[key.rpartition(".")[2]] = value.strip("'\"")
    return settings


def reachable(key: str, value: str) -> str:
    """Keep of a setting what means the same inside a container."""
    if key.endswith("index-url"):
        return " ".join(url for url in value.split() if url.startswith(("https://", "http://")))
    return value


def main(etc: Path) -> None:
    """Write `pip.conf` and `uv/uv.toml` below `etc`."""
    kept = {key: reachable(key, value) for key, value in pip_settings().items() if key in PASSED_ON}
    kept = {key: value for key, value in kept.items() if value}
    pip_lines = ["[global]", "disable-pip-version-check = true", "root-user-action = ignore"]
    pip_lines += [f"{key} = {value}" for key, value in sorted(kept.items())]
    (etc / "pip.conf").write_text("\n".join(pip_lines) + "\n", encoding="utf-8")

    uv_lines = ["system-certs = true", 'python-downloads = "never"']
    if "index-url" in kept:
        uv_lines.append(f'index-url = "{kept["index-url"]}"')
    if "extra-index-url" in kept:
        uv_lines.append("extra-index-url = [" + ", ".join(f'"{url}"' for url in kept["extra-index-url"].split()) + "]")
    (etc / "uv").mkdir(exist_ok=True)
    (etc / "uv" / "uv.toml").write_text("\n".join(uv_lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
