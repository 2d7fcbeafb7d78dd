"""Public packages of npm that the browser tests use: fetched by npm, pinned by their hash."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path

PINNED = {
    "fhirclient@2.6.3": (
        "sha512-CirZixcwWelbkIXxpxlNQx5+ZdJirl6F1s4y4yvA1X7hHAkr9n99aVHaMi0wX+97nATjKQ65X6NB5as/"
        "wZoJzg=="
    ),
    "axe-core@4.10.3": (
        "sha512-Xm7bpRXnDSX2YE2YFfBk2FnF0ep6tmG7xPh8iHee8MIcrgq762Nkce856dYtJYLkuIoYZvGfTs/"
        "PbZhideTcEg=="
    ),
}


def packed(name: str, folder: Path) -> Path:
    """The unpacked package. Raises OSError where npm is missing or cannot fetch it."""
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("npm is not installed (Debian: apt install npm)")
    done = subprocess.run(
        [npm, "pack", name, "--ignore-scripts", "--silent"],
        cwd=folder, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    if done.returncode:
        raise OSError(f"npm could not fetch {name}: {done.stderr[-500:]}")
    archive = folder / done.stdout.strip().splitlines()[-1]
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    assert f"sha512-{digest}" == PINNED[name], f"{name} is not the package that was pinned"
    goal = folder / name.partition("@")[0]
    with tarfile.open(archive) as opened:
        opened.extractall(goal, filter="data")
    return goal / "package"
