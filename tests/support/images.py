"""Plans of images made from few words, and what a Dockerfile says taken apart again."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any

from zlock.image.context.contents import plan_image
from zlock.image.plan import ImagePlan, Parent
from zlock.image.wanted import ImageWanted
from zlock.lock.facts import Facts
from zlock.lock.lock import Lock
from zlock.lock.package import Package
from zlock.model.form import read
from zlock.model.target import Target
from zlock.settings.docker import DockerSettings

PARENT = Parent(reference="python:3.12-slim", digest=f"sha256:{'ab' * 32}")


def wheel(
    name: str, version: str, *, sha256: str = "01", tag: str = "py3-none-any", size: int = 1000
) -> dict[str, Any]:
    """Return a package of a lock with one wheel; its digest is the two digits over and over."""
    url = f"https://index.example/files/{name}-{version}-{tag}.whl"
    return {"name": name, "version": version, "wheels": [{"url": url, "size": size, "hashes": {"sha256": sha256 * 32}}]}


def sdist(name: str, version: str, *, sha256: str = "02") -> dict[str, Any]:
    """Return a package of a lock with an sdist."""
    url = f"https://index.example/files/{name}-{version}.tar.gz"
    return {"name": name, "version": version, "sdist": {"url": url, "hashes": {"sha256": sha256 * 32}}}


def repository(name: str, *, commit: str = "0a", url: str = "https://host.example/team/project.git") -> dict[str, Any]:
    """Return a package of a lock that is taken from a git repository; its commit is the two digits over and over."""
    return {"name": name, "vcs": {"type": "git", "url": url, "commit-id": commit * 20}}


def archive(name: str, version: str, *, sha256: str = "06") -> dict[str, Any]:
    """Return a package of a lock that is an sdist by its URL."""
    url = f"https://host.example/{name}/v{version}.tar.gz"
    place = {"url": url, "size": 1000, "hashes": {"sha256": sha256 * 32}}
    return {"name": name, "version": version, "archive": place}


def build_row(name: str, version: str, *requirements: str, **more: Any) -> dict[str, Any]:
    """Return what a lock says that a package is built with."""
    names = [line.partition("==")[0] for line in requirements]
    row = {"package": name, "version": version, "platform": "linux/amd64", "requires": names}
    return {**row, "requirements": list(requirements), **more}


def locked(*packages: Mapping[str, Any], **own: Any) -> Lock:
    """Return a lock of packages; `own` are keys of its `[tool.zlock]`."""
    digest = f"sha256:{'0' * 64}"
    needed = {"format": 2, "step": "train", "identity": digest, "inputs": digest, "declared": digest, "integrity": ""}
    target = {"python": "3.12", "platforms": ["linux/amd64"], "packages": len(packages)}
    facts = {**needed, **target, "declared-files": [], "sources": [], **own}
    rows = tuple(read(Package, package) for package in packages)
    stated = read(Facts, facts)
    environments = tuple(str(target.marker) for target in stated.targets)
    requires_python = str(stated.targets[0].requires_python)
    return Lock(environments=environments, requires_python=requires_python, packages=rows, facts=stated)


def uv(version: str) -> dict[str, Any]:
    """Return what a lock says of a uv with one wheel."""
    return {"version": version, "wheels": [{"name": f"uv-{version}-py3-none-any.whl", "hashes": {"sha256": "03" * 32}}]}


UV = uv("0.13.9")


def planned(
    *packages: Mapping[str, Any],
    own: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    **more: Any,
) -> ImagePlan:
    """Return the plan of an image, for CPython 3.12 on linux/amd64 unless something else is said."""
    docker = DockerSettings(**(settings or {}))
    stated = {
        "step": "train",
        "lock": locked(*packages, **(own or {})),
        "target": Target.parse("3.12"),
        "settings": docker,
        "apt_packages": docker.effective().apt_packages,
        "parent": PARENT,
    }
    return plan_image(ImageWanted(**{**stated, **more}))


def dockerfile(plan: ImagePlan) -> str:
    """Return its Dockerfile."""
    return plan.context["Dockerfile"].decode()


def instructions(text: str) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile, each with what follows its word, continued lines joined."""
    joined = text.replace("\\\n", "")
    lines = [line for line in joined.splitlines() if line and not line.startswith("#")]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def runs(text: str) -> list[list[str]]:
    """Return what each `RUN` of a Dockerfile executes, its mounts left out."""
    found = []
    for word, rest in instructions(text):
        if word == "RUN":
            command = re.sub(r"^(\s*--mount=\S+)+\s*", "", rest).strip()
            found.append(json.loads(command) if command.startswith("[") else ["/bin/sh", "-c", command])
    return found


def words_of(command: list[str]) -> list[list[str]]:
    """Return the commands inside one `RUN`, each as its words."""
    if command[:2] != ["/bin/sh", "-c"]:
        return [command]
    lexer = shlex.shlex(command[2], posix=True, punctuation_chars=";")
    lexer.whitespace_split = True
    found: list[list[str]] = [[]]
    for word in lexer:
        if word == ";":
            found.append([])
        else:
            found[-1].append(word)
    return found


def environment(text: str) -> dict[str, str]:
    """Return the variables of a Dockerfile's `ENV`, unescaped as builders do it."""
    found = {}
    for word, rest in instructions(text):
        if word == "ENV":
            name, _, value = rest.partition("=")
            found[name] = re.sub(r'\\([\\"$])', r"\1", value.strip()[1:-1])
    return found
