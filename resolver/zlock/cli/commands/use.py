"""Commands that do something with locks, but for images."""

import argparse

from zlock.cli.command import OF_LOCKS, OUTPUT, Command, argument, path

_FORMATS = {
    "requirements": "a requirements file with hashes, for any pip and uv",
    "pylock": "the lock without what only zlock reads (PEP 751)",
    "cyclonedx": "a bill of materials, CycloneDX as JSON",
    "spdx": "a bill of materials, SPDX 2.3 as JSON",
    "bazel": "a `requirements_lock` for `pip.parse` of rules_python",
    "nix": "an attribute set with what `fetchurl` takes",
    "bake": "a `docker-bake.json` for the images of all steps, their contexts in build/zlock",
}

USE = (
    Command(
        "export",
        "write a lock in the format of another tool",
        argument("format", choices=list(_FORMATS), metavar="FORMAT", help="one of those above"),
        *OF_LOCKS,
        argument("--platform", metavar="NAME", help="only what this platform of the lock installs"),
        OUTPUT,
        example="zlock export requirements --step train --output train.txt",
        description="Write the lock of one step in another format:\n"
        + "\n".join(f"  {name:<14}{what}" for name, what in _FORMATS.items()),
    ),
    Command(
        "fetch",
        "fill a wheelhouse from the locks",
        *OF_LOCKS,
        argument("--wheelhouse", type=path, metavar="DIR", help="the folder (default: the configured one)"),
        example="zlock fetch --wheelhouse wheels",
        description="Download every file that the locks name into one folder, and check it against its hash.\n"
        "Existing files are kept, and interrupted downloads are continued.",
    ),
    Command(
        "sync",
        "make the environments of steps on this machine",
        *OF_LOCKS,
        example="zlock sync --step train",
        description="Make the environment of each step from its lock, by uv, and print where it is.\n"
        "It is made once: steps that lock alike share it, and an environment that exists is kept.",
    ),
    Command(
        "run",
        "run a command in the environment of a step",
        *OF_LOCKS,
        argument(
            "--no-sync", action="store_true", help="use the environment that was last made, whatever is locked now"
        ),
        argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="what to run"),
        example="zlock run --step train -- python train.py",
        description="Run a command in the environment of a step, which is made first if it does not exist.\n"
        "Options of zlock come before the command; the exit code is the command's.",
        home="sync",
    ),
    Command(
        "merge-driver",
        "merge two locks; for git",
        *(
            argument(name, type=path, metavar=name.upper(), help=f"a file with the lock {what}")
            for name, what in (("base", "of the common ancestor"), ("ours", "of ours"), ("theirs", "of theirs"))
        ),
        argument("path", metavar="PATH", help="the lock's place in the repository"),
        example="git config merge.zlock.driver 'zlock merge-driver %O %A %B %P'",
        description="Solve a lock again for what both branches together ask, from the pins of both.\n"
        "Where that fails, both sides are left with conflict markers.",
    ),
    Command(
        "completion",
        "write what completes commands and options in a shell",
        argument("shell", choices=("bash", "zsh", "fish", "tcsh"), help="the shell"),
        example="zlock completion bash > ~/.local/share/bash-completion/completions/zlock",
        description="Write a script that makes a shell complete the commands, options and files of zlock.",
    ),
)
