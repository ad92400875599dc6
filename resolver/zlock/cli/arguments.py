"""The arguments of every command, with an example each."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from zlock._version import __version__
from zlock.cli.layout import presentable, write
from zlock.errors import InvalidInput
from zlock.image.builders.choose import BUILDERS, OCI
from zlock.wording import did_you_mean

TYPE_CHECKING = False  # `typing` is not needed for --help
if TYPE_CHECKING:
    from typing import NoReturn

    from zlock.cli.layout import Screen


_EPILOG = """\
environment variables:
  ZLOCK_CACHE_DIR             where pages, metadata and environments are kept
  NO_COLOR, FORCE_COLOR       no colours, or colours in any case
  VIRTUAL_ENV                 the environment that pipeline files and the local environment are read with
  PIP_INDEX_URL, UV_DEFAULT_INDEX
                              the default index where the configuration names none
  UV_INDEX_NAME_USERNAME, UV_INDEX_NAME_PASSWORD
                              the login of the index called `NAME`
  NETRC, HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE, DOCKER_CONFIG
                              as other programs read them

example: zlock resolve pipeline.py
documentation: docs/index.md in the repository of zlock; docs/commands.md has every option"""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse arguments; `run` of the result is the command. Ends the program for --help.

    Raises:
        InvalidInput: There is a mistake in them.
    """
    if arguments[:1] == ["help"]:  # as other programs have it
        arguments = [*arguments[1:], "--help"]
    chosen = arguments[0] if arguments and arguments[0] in COMMANDS else ""
    # The arguments of one command take half a millisecond; without one, their names and summaries will do.
    parser = parser_of([chosen]) if chosen else parser_of(COMMANDS, is_bare=True)
    named = next((one for one in arguments if one in COMMANDS), "")
    if named and not chosen:
        parser.hint = f"options come after the command: `zlock {named} {presentable(arguments[0])}`"
    elif arguments and not (chosen or arguments[0].startswith("-")):
        parser.hint = did_you_mean(arguments[0], COMMANDS)
    parsed, others = parser.parse_known_args(arguments)
    if others:
        parser.hint = parser.hint or did_you_mean(others[0], getattr(parsed, "options", ()), cutoff=0.7)
        parser.error(f"unrecognized arguments: {' '.join(others if chosen else others[:1])}")
    return parsed


def parser_of(names: Iterable[str], *, is_bare: bool = False) -> _Parser:
    """Return what reads the arguments of some commands; a bare one knows no common options."""
    parser = _Parser(
        prog="zlock",
        description="Lock the requirements of a pipeline's steps, every source solved together.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"zlock {__version__}")
    commands: argparse._SubParsersAction[_Parser] = parser.add_subparsers(
        title="commands", metavar="COMMAND", required=True, parser_class=_BareParser if is_bare else _Parser
    )
    for name in names:
        COMMANDS[name](commands)
    return parser


class _Parser(argparse.ArgumentParser):
    """Mistakes are errors as all others are.

    Attributes:
        hint: The way out, where it is known before anything is wrong.
    """

    hint = ""

    def error(self, message: str) -> None:  # type: ignore[override]  # argparse says NoReturn, exit is one
        hint = self.hint or f"`{self.prog} --help` shows what there is"
        raise InvalidInput(message.replace("'", "`"), hint=hint)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """End the program once what was printed has left it, which can fail."""
        write(sys.stderr, message or "")
        write(sys.stdout, "")
        raise SystemExit(status)


class _BareParser(_Parser):
    """What reads the arguments of a command that gets no common options."""


def _add_command(
    commands: argparse._SubParsersAction[_Parser],
    name: str,
    summary: str,
    example: str,
    description: str = "",
    *,
    home: str = "",
) -> argparse.ArgumentParser:
    """Add a command; its code is `run_NAME` of the module `home`, or that of its name, imported once it runs."""
    parser = commands.add_parser(
        name,
        help=summary,
        description=description or summary[0].upper() + summary[1:] + ".",
        epilog=f"example: {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    if isinstance(parser, _BareParser):
        return parser
    common = parser.add_argument_group("common options")
    common.add_argument(
        "--project", type=path, metavar="DIR", help="the project folder (default: the nearest configured one)"
    )
    common.add_argument("--offline", action="store_true", help="leave the network alone, use the cache")
    common.add_argument("--cache-dir", type=path, metavar="DIR", help="where pages and metadata are kept")
    common.add_argument("--index-url", metavar="URL", help="the default index, in place of the machine's")
    common.add_argument(
        "--exclude-newer", metavar="TIME", help="ignore files uploaded after this time (RFC 3339, or a date)"
    )
    common.add_argument("--json", action="store_true", help="write the result to standard output as JSON")
    common.add_argument("-q", "--quiet", action="store_true", help="only show errors")
    common.add_argument("-v", "--verbose", action="store_true", help="show details")
    common.add_argument("--color", choices=("auto", "always", "never"), default="auto", help="colours in messages")
    parser.set_defaults(run=partial(_run, name, home or name), options=parser._option_string_actions)  # noqa: SLF001
    return parser


def _add_locked_steps(parser: argparse.ArgumentParser) -> None:
    """Add what a command takes that starts from locks."""
    parser.add_argument(
        "--pipeline", metavar="PIPELINE", help="`file.py`, `file.py:name` or a script (default: the configured one)"
    )
    _add_steps(parser)


def _add_steps(parser: argparse.ArgumentParser) -> None:
    """Add what a command takes that goes through the steps of a pipeline."""
    parser.add_argument("--config", type=path, metavar="FILE", help="what configures the run, of a ZenML pipeline")
    parser.add_argument("--step", action="append", default=[], metavar="NAME", help="only this step")


def _run(name: str, home: str, parsed: argparse.Namespace, screen: Screen) -> int:
    from importlib import import_module

    module = import_module(f"zlock.cli.{home.replace('-', '_')}")
    code: int = getattr(module, f"run_{name.replace('-', '_')}")(parsed, screen)
    return code


def _add_init(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = _add_command(
        commands,
        "init",
        "write a first configuration",
        "zlock init --from requirements.txt",
        "Write a first `zlock.toml` into the project folder (default: the working folder).\n"
        "A configuration that is there is not replaced.",
    )
    parser.add_argument(
        "--from",
        dest="origin",
        type=path,
        metavar="FILE",
        help="what to lock: a requirements file, a `pyproject.toml` or a pipeline file",
    )


def _add_schema(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = _add_command(
        commands,
        "schema",
        "write the JSON Schema of the configuration",
        "zlock schema --output zlock.schema.json",
        "Write what a `zlock.toml` may hold as JSON Schema, for editors that complete and check TOML by one.\n"
        "They find it by a first line such as `#:schema ./zlock.schema.json`.",
    )
    parser.add_argument(
        "--output",
        type=output_file,
        metavar="FILE",
        help="where to write it (default, and `-`: standard output)",
    )


def _add_resolve(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = _add_command(
        commands,
        "resolve",
        "write the locks",
        "zlock resolve pipeline.py:train --upgrade-package pandas",
        "Solve every step's requirements and write one lock per step, `pylock.<step>.toml`.\n"
        "Pins that still fit are kept. Nothing is written unless every step was solved.",
    )
    parser.add_argument(
        "pipelines",
        nargs="*",
        metavar="PIPELINE",
        help="`file.py`, `file.py:name` or a script, or several of them (default: the configured one)",
    )
    parser.add_argument("--all", action="store_true", help="every project in the folder and below it")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a lock is missing or outdated")
    parser.add_argument(
        "--exit-code",
        action="store_true",
        help="exit 1 if a lock was written or removed; with --check, also if zlock's hook for hatch would refuse one",
    )
    parser.add_argument("--tracked", action="store_true", help="exit 1 if git does not track a lock")
    parser.add_argument("--upgrade", action="store_true", help="move every pin to the newest release that fits")
    parser.add_argument(
        "--upgrade-package",
        action="append",
        default=[],
        metavar="NAME",
        help="move the pin of one package (`pandas`), perhaps to a version or within bounds (`pandas==2.3`)",
    )
    _add_steps(parser)
    parser.add_argument("--dry-run", action="store_true", help="solve, and say what would be written; write nothing")
    parser.add_argument("--pin-images", action="store_true", help="record the digest of each base image")
    parser.add_argument("--upgrade-apt", action="store_true", help="move every Debian package to what apt takes now")
    parser.add_argument("--no-apt", action="store_true", help="lock no Debian packages beyond those that are locked")


def _add_add(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = _add_command(
        commands,
        "add",
        "add requirements, and lock them",
        "zlock add pandas 'torch>=2.4' --step train",
        "Add requirements where the step, or without --step all steps, state theirs, and bring the locks up to date.\n"
        "Comments and layout of the files stay. Nothing changes where there is no solution.",
        home="change",
    )
    parser.add_argument("requirements", nargs="+", metavar="REQUIREMENT", help="`pandas`, `pandas>=2`, `name @ URL`")
    _add_locked_steps(parser)
    parser.add_argument(
        "--bounds",
        choices=("lower", "major", "minor", "exact", "none"),
        default="lower",
        help="what a name alone is limited to, from the version that is locked (default: lower, `>=2.2.3`)",
    )


def _add_remove(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = _add_command(
        commands,
        "remove",
        "remove requirements, and lock what is left",
        "zlock remove pandas --step train",
        "Remove requirements from where the step, or without --step all steps, state theirs, and bring the locks\n"
        "up to date. Comments and layout of the files stay.",
        home="change",
    )
    parser.add_argument("packages", nargs="+", metavar="PACKAGE", help="its name")
    _add_locked_steps(parser)


def _add_tree(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = _add_command(
        commands,
        "tree",
        "show what needs what in the locks",
        "zlock tree --step train",
        "Show each step's requirements, with the file and line that state them, and all that they bring in.",
    )
    _add_locked_steps(parser)


def _add_why(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = _add_command(
        commands,
        "why",
        "say why a package is in the locks, and why it is not newer",
        "zlock why numpy --step train",
        "Say which requirements of which file and line lead to a package, and what holds newer releases back.\n"
        "The second part asks the index, or with --offline the cache.\n"
        "With --aligned: what would be younger if steps did not share versions, and which step it is older for.",
    )
    subject = parser.add_mutually_exclusive_group(required=True)
    subject.add_argument("package", metavar="PACKAGE", nargs="?", help="its name")
    subject.add_argument("--aligned", action="store_true", help="say what sharing versions between steps costs")
    _add_locked_steps(parser)


def _add_outdated(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = _add_command(
        commands,
        "outdated",
        "say what has newer releases, and what holds it back",
        "zlock outdated --step train",
        "Say for each step which packages have newer releases than its lock, and what holds each of them back.\n"
        "The index is asked; nothing is written.",
    )
    _add_locked_steps(parser)


def _add_audit(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = _add_command(
        commands,
        "audit",
        "look for known vulnerabilities in the locks",
        "zlock audit --osv all.zip",
        "Look for known vulnerabilities in what the locks pin, by records of OSV that are given as files.\n"
        "No network is used, and no name of a package is sent anywhere. Exit 1 where one is found that\n"
        "`audit-ignore` does not name.",
    )
    parser.add_argument(
        "--osv",
        action="append",
        required=True,
        type=path,
        metavar="FILE|DIR",
        help="records of OSV: JSON, an archive (.zip) of it, or a folder; may be repeated",
    )
    parser.add_argument("--step", action="append", default=[], metavar="NAME", help="only this step")


def _add_diff(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = _add_command(
        commands,
        "diff",
        "show what changed in the locks",
        "zlock diff main --format markdown",
        "Compare the locks with those of a git revision, or with a file or folder of locks.",
    )
    parser.add_argument(
        "against", nargs="?", metavar="REV|FILE", help="what to compare with (default: what is committed, `HEAD`)"
    )
    parser.add_argument("--format", choices=("text", "markdown", "json"), default="text", help="how to write it")
    parser.add_argument("--step", action="append", default=[], metavar="NAME", help="only this step")


def output_file(text: str) -> Path | None:
    """Return where to write; None for standard output."""
    return None if text == "-" else path(text)


def _add_export(commands: argparse._SubParsersAction[_Parser]) -> None:
    formats = {
        "requirements": "a requirements file with hashes, for any pip and uv",
        "pylock": "the lock without what only zlock reads (PEP 751)",
        "cyclonedx": "a bill of materials, CycloneDX as JSON",
        "spdx": "a bill of materials, SPDX 2.3 as JSON",
        "bazel": "a `requirements_lock` for `pip.parse` of rules_python",
        "nix": "an attribute set with what `fetchurl` takes",
        "bake": "a `docker-bake.json` for the images of all steps, their contexts in build/zlock",
    }
    parser = _add_command(
        commands,
        "export",
        "write a lock in the format of another tool",
        "zlock export requirements --step train --output requirements.txt",
        "Write the lock of one step in another format:\n"
        + "\n".join(f"  {name:<14}{what}" for name, what in formats.items()),
    )
    parser.add_argument("format", choices=list(formats), metavar="FORMAT", help="one of those above")
    _add_locked_steps(parser)
    parser.add_argument("--platform", metavar="NAME", help="only what this platform of the lock installs")
    parser.add_argument(
        "--output",
        type=output_file,
        metavar="FILE",
        help="where to write it (default, and `-`: standard output)",
    )


def _add_fetch(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = _add_command(
        commands,
        "fetch",
        "fill a wheelhouse from the locks",
        "zlock fetch --wheelhouse wheels",
        "Bring every file of the locks into one folder, each checked against its hash.\n"
        "What is already there is kept, and what broke off is continued.",
    )
    _add_locked_steps(parser)
    parser.add_argument("--wheelhouse", type=path, metavar="DIR", help="the folder (default: the configured one)")


def _add_sync(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = _add_command(
        commands,
        "sync",
        "make the environments of steps on this machine",
        "zlock sync --step train",
        "Make the environment of each step from its lock, by uv, and print where it is.\n"
        "It is made once: steps that lock alike share it, and what is there already is kept.",
    )
    _add_locked_steps(parser)


def _add_run(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = _add_command(
        commands,
        "run",
        "run a command in the environment of a step",
        "zlock run --step train -- python train.py",
        "Run a command in the environment of a step, which is made before where it is not there.\n"
        "Options of zlock come before the command; the exit code is the command's.",
        home="sync",
    )
    _add_locked_steps(parser)
    parser.add_argument(
        "--no-sync", action="store_true", help="use the environment that was last made, whatever is locked now"
    )
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="what to run")


def _add_completion(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = _add_command(
        commands,
        "completion",
        "write what completes commands and options in a shell",
        "zlock completion bash > ~/.local/share/bash-completion/completions/zlock",
        "Write a script that makes a shell complete the commands, options and files of zlock.",
    )
    parser.add_argument("shell", choices=("bash", "zsh", "fish", "tcsh"), help="the shell")


def _add_merge_driver(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = _add_command(
        commands,
        "merge-driver",
        "merge two locks; for git",
        "git config merge.zlock.driver 'zlock merge-driver %O %A %B %P'",
        "Solve a lock again for what both branches together ask, from the pins of both.\n"
        "Where that fails, both sides are left with conflict markers.",
    )
    for name, what in (("base", "of the common ancestor"), ("ours", "of ours"), ("theirs", "of theirs")):
        parser.add_argument(name, type=path, metavar=name.upper(), help=f"a file with the lock {what}")
    parser.add_argument("path", metavar="PATH", help="the lock's place in the repository")


def _add_plan(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = _add_command(
        commands,
        "plan",
        "show which images there will be",
        "zlock plan --explain train",
        "Show the images that are built from the locks, the steps that share each, and what would be downloaded.\n"
        "Nothing is built and no lock is touched.",
    )
    _add_locked_steps(parser)
    parser.add_argument("--explain", metavar="STEP", help="say what moved a step's image since the last build")
    _add_builder(parser)


def _add_dockerfile(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = _add_command(
        commands,
        "dockerfile",
        "write the build context of every image",
        "zlock dockerfile --output contexts",
        "Write a folder for each image, with a Dockerfile and all that it copies: any builder can build it.",
    )
    _add_locked_steps(parser)
    parser.add_argument("--output", type=path, metavar="DIR", help="the folder around them (default: build/zlock)")
    parser.add_argument(
        "--wheelhouse",
        type=path,
        metavar="DIR",
        help="what `zlock fetch` filled: put each image's files beside its Dockerfile, whose build then asks no index",
    )


def _add_verify(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = _add_command(
        commands,
        "verify",
        "compare what is installed with a lock",
        "zlock verify registry.example/team/train:0a1b2c3d4e5f6071 --step train",
        "Compare what is installed with the lock of a step; nothing of it is run. Exit 1 where they differ.",
    )
    parser.add_argument(
        "image",
        metavar="IMAGE",
        help="a reference, `oci:DIR` (a layout), `docker-archive:FILE`, `dir:DIR` (a folder), `env:PYTHON` (an "
        "environment), or another form that docs/verify.md lists",
    )
    _add_locked_steps(parser)


def _add_build(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = _add_command(
        commands,
        "build",
        "build the images that are not there yet",
        "zlock build --push",
        "Build every image that is neither in the registry nor on this machine, and print which one each step runs in.",
    )
    _add_locked_steps(parser)
    _add_destinations(parser)
    parser.add_argument(
        "--force",
        action="store_true",
        help="build every image anew, also those that are there (`zlock build --force --step train`)",
    )
    _add_builder(parser)
    parser.add_argument(
        "--attach",
        choices=("cyclonedx", "spdx"),
        help="with --push: put a bill of materials beside each image, as what refers to it (OCI 1.1)",
    )
    parser.add_argument(
        "--shard",
        type=_shard,
        default=(1, 1),
        metavar="I/N",
        help="build every N-th image only, from the I-th on: N machines that push to one registry build all of them",
    )
    parser.add_argument("--jobs", type=_count, default=2, metavar="N", help="how many are built at a time (default: 2)")
    parser.add_argument(
        "--apply",
        type=path,
        nargs="?",
        const=Path("build/zlock/run.yaml"),
        metavar="FILE",
        help="write what a run of ZenML takes, as `zlock apply` does (default: build/zlock/run.yaml)",
    )
    parser.add_argument(
        "--network", metavar="MODE", help="the network of builds, as the builder has it (`host`, `none`)"
    )


def _add_destinations(parser: argparse.ArgumentParser) -> None:
    place = parser.add_mutually_exclusive_group()
    place.add_argument(
        "--push",
        action="store_true",
        help="send the images to their repositories, once all are built, with an index over those of several platforms",
    )
    place.add_argument(
        "--output",
        metavar="PLACE",
        help="where images go that are put together out of layers: `oci:DIR` (a layout) or `docker-archive:FILE`",
    )


def _add_builder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--builder",
        choices=(OCI, *BUILDERS),
        help="`oci` puts images together out of layers, the others are engines (default: `oci` where nothing has to be "
        "run, else the first engine that can)",
    )


def path(text: str) -> Path:
    """Return a path; an empty one, as of a variable that is not set, would be the working folder."""
    if not text:
        raise argparse.ArgumentTypeError("a path, not an empty text")
    return Path(text)


def _shard(text: str) -> tuple[int, int]:
    part, slash, parts = text.partition("/")
    if not (slash and part.isdecimal() and parts.isdecimal() and 0 < int(part) <= int(parts)):
        raise argparse.ArgumentTypeError(f"`I/N`, two numbers of which I is from 1 to N, not `{text}`")
    return int(part), int(parts)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"a number from 1 on, not `{text}`")
    return int(text)


def _add_apply(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = _add_command(
        commands,
        "apply",
        "write what a run of ZenML takes, with the images that were built",
        "zlock apply run.py:training --config train.yaml --output locked.yaml",
        "Write the YAML that configures a run of a ZenML pipeline: what `--config` says, and for every step the image\n"
        "that `zlock build` made, in which it runs as it is.",
    )
    parser.add_argument(
        "pipeline",
        nargs="?",
        metavar="PIPELINE",
        help="`file.py`, `file.py:name` or a script (default: the configured one)",
    )
    parser.add_argument("--config", type=path, metavar="FILE", help="what configures the run, of a ZenML pipeline")
    parser.add_argument(
        "--format",
        choices=("run", "build"),
        default="run",
        help="what to write: `run`, which configures a run, or `build`, a build as ZenML keeps them, for which it is "
        "asked for the active stack (default: run)",
    )
    _add_builder(parser)
    parser.add_argument(
        "--output", type=output_file, metavar="FILE", help="where to write it (default, and `-`: standard output)"
    )


def _add_stack(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = _add_command(
        commands,
        "stack",
        "write what the active stack of ZenML requires into the configuration",
        "zlock stack import",
        "Ask ZenML, in the project's environment, for the active stack, and write what its components require into\n"
        "`[stack]` of the configuration, so that others lock the same without it.",
    )
    parser.add_argument("action", choices=("import",), metavar="import", help="the one thing that it does")


COMMANDS = {
    "init": _add_init,
    "schema": _add_schema,
    "resolve": _add_resolve,
    "add": _add_add,
    "remove": _add_remove,
    "tree": _add_tree,
    "why": _add_why,
    "outdated": _add_outdated,
    "audit": _add_audit,
    "diff": _add_diff,
    "export": _add_export,
    "fetch": _add_fetch,
    "sync": _add_sync,
    "run": _add_run,
    "merge-driver": _add_merge_driver,
    "plan": _add_plan,
    "dockerfile": _add_dockerfile,
    "verify": _add_verify,
    "build": _add_build,
    "apply": _add_apply,
    "stack": _add_stack,
    "completion": _add_completion,
}
"""By name, what adds each command."""
