"""A Dockerfile as a list of instructions, rendered once: whatever is quoted, is quoted here.

Only what the built-in frontends of Docker 20.10 and Buildah 1.28 parse is written: no heredocs, no `# syntax=`.
A value either reaches the container as it is, or is refused; none can end its instruction and begin another.
"""

from __future__ import annotations

import json
import re
import shlex
import textwrap
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from zlock.errors import InvalidConfiguration
from zlock.model.controls import CONTROLS
from zlock.model.image import USER_HINT, is_user

# What neither a shell nor a Dockerfile gives a meaning to.
_PLAIN = re.compile(r"[A-Za-z0-9_./:=@%+,-]+", re.ASCII)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]*", re.ASCII)
# All but the tab, and halves of a pair, which UTF-8 can't carry.
CONTROL = re.compile(rf"(?!\t)[{CONTROLS}\ud800-\udfff]")
_UNCARRIED = re.compile("[\x00\ud800-\udfff]")
_WIDTH = 100
_INDENT = "    "
_BREAK = f"\\\n{_INDENT}"


class Comment(Struct, frozen=True):
    """A line for people; never one of a user's."""

    text: str

    def __str__(self) -> str:
        return f"# {self.text}"


class From(Struct, frozen=True):
    """What the image is built on.

    Attributes:
        reference: The image's reference, with its digest where that is known.
    """

    reference: str

    def __str__(self) -> str:
        check_reference(self.reference)
        return f"FROM {self.reference}"


class Env(Struct, frozen=True):
    """A variable of the build that follows and of the container, held verbatim."""

    name: str
    value: str

    def __str__(self) -> str:
        check_variable(self.name, self.value)
        value = re.sub(r'([\\"$])', r"\\\1", self.value)
        return f'ENV {self.name}="{value}"'


class FirstOnPath(Struct, frozen=True):
    """A folder whose programs come before all others."""

    folder: str

    def __str__(self) -> str:
        return f'ENV PATH="{self.folder}:$PATH"'


class BuildVariable(Struct, frozen=True):
    """A variable of the build that follows, and not of the container."""

    name: str
    value: str

    def __str__(self) -> str:
        return f"ARG {self.name}={self.value}"


class User(Struct, frozen=True):
    """Who runs what follows, and the container."""

    name: str

    def __str__(self) -> str:
        if not is_user(self.name):
            raise InvalidConfiguration(f"`{shown(self.name)}` is not a valid user of an image", hint=USER_HINT)
        return f"USER {self.name}"


class Workdir(Struct, frozen=True):
    """The folder in which what follows runs, and the container."""

    folder: str

    def __str__(self) -> str:
        return f"WORKDIR {self.folder}"


class Copy(Struct, frozen=True):
    """Files of the context; a folder gives what is in it.

    Attributes:
        sources: Paths in the context, of zlock's choosing.
        target: A folder of the image, with `/` at its end.
        owner: Whose they are; root's where it is empty.
    """

    sources: tuple[str, ...]
    target: str
    owner: str = ""

    def __str__(self) -> str:
        owner = f"--chown={self.owner} " if self.owner else ""
        return f"COPY {owner}{' '.join((*self.sources, self.target))}"


class Mount(Struct, frozen=True):
    """Something that is there for one command and in no layer (BuildKit, Buildah).

    Attributes:
        kind: "bind", "cache" or "secret".
        options: Further options.
    """

    kind: str
    options: Mapping[str, str]

    def __str__(self) -> str:
        return f"--mount={','.join(f'{key}={value}' for key, value in (('type', self.kind), *self.options.items()))}"


class Shell(Struct, frozen=True):
    """A piece of shell as it stands: zlock's own text, never a user's."""

    text: str

    def __str__(self) -> str:
        return self.text


class Command(Struct, frozen=True):
    """A program and its arguments, each held verbatim.

    Attributes:
        argv: The program and its arguments.
        environ: Variables for this command only.
    """

    argv: tuple[str, ...]
    environ: Mapping[str, str] = {}

    @property
    def words(self) -> tuple[str, ...]:
        """All words, the variables set by `env`."""
        pairs = [f"{name}={value}" for name, value in self.environ.items()]
        return ("env", *pairs, *self.argv) if pairs else self.argv

    def __str__(self) -> str:
        return shlex.join(self.words)


class Python(Struct, frozen=True):
    """A program in Python: zlock's own text, in which nothing has a meaning to a shell between double quotes.

    Attributes:
        interpreter: What runs it.
        statements: Its statements, one a line where people read it.
        environ: Variables for this command only.
    """

    interpreter: str
    statements: tuple[str, ...]
    environ: Mapping[str, str] = {}

    def joined(self, gap: str) -> str:
        """Return it with something between two statements."""
        head = shlex.join(Command((self.interpreter, "-c"), self.environ).words)
        return f'{head} "{f";{gap}".join(self.statements)}"'

    def __str__(self) -> str:
        return self.joined(" ")


Action = Command | Python | Shell


class Run(Struct, frozen=True):
    """Commands, one after another; the first that fails ends the build.

    It is written for people as long as no word could mean something to a shell, and else as the list of its words.
    """

    commands: tuple[Action, ...]
    mounts: tuple[Mount, ...] = ()

    def __str__(self) -> str:
        head = f"RUN {f' {_BREAK}'.join(map(str, self.mounts))}".rstrip()
        gap = f" {_BREAK}" if self.mounts else " "
        if all(not isinstance(one, Command) or all(map(_PLAIN.fullmatch, one.words)) for one in self.commands):
            return head + gap + self._script()
        return head + gap + _exec_form(self._words())

    def _script(self) -> str:
        if len(self.commands) == 1:
            return _wrapped(self.commands[0], _BREAK)
        return f"; {_BREAK}".join(["set -e", *(_wrapped(one, _BREAK + _INDENT) for one in self.commands)])

    def _words(self) -> Sequence[str]:
        only = self.commands[0]
        if len(self.commands) == 1 and isinstance(only, Command):
            return only.words
        return "/bin/sh", "-c", "; ".join(["set -e", *map(str, self.commands)])


Instruction = Comment | From | Env | FirstOnPath | BuildVariable | User | Workdir | Copy | Run


def render(parts: Iterable[Sequence[Instruction]]) -> bytes:
    """Return a Dockerfile: each part is set off by an empty line.

    Raises:
        InvalidConfiguration: A value can't be carried; the caller knows where it is stated.
    """
    return "\n".join("".join(f"{line}\n" for line in part) for part in parts if part).encode()


def _exec_form(words: Sequence[str]) -> str:
    """Return words as the JSON list that no shell reads."""
    check_words(words)
    text = json.dumps(words, ensure_ascii=False)
    return CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _wrapped(command: Action, gap: str) -> str:
    """Break a command that is too long for a line, at spaces; in a plain one they all stand between words."""
    if isinstance(command, Shell):
        return str(command)
    if isinstance(command, Python):
        return command.joined(f" {gap}")
    lines = textwrap.wrap(str(command), _WIDTH, break_long_words=False, break_on_hyphens=False)
    return f" {gap}".join(lines)


def check_reference(reference: str) -> None:
    """Refuse a reference of an image that a `FROM` can't hold.

    Raises:
        InvalidConfiguration: It is none.
    """
    if not _REFERENCE.fullmatch(reference):
        raise InvalidConfiguration(
            f"`{shown(reference)}` is not a valid image reference",
            hint="write `registry.example/team/image:tag`, or `...@sha256:` and 64 digits",
        )


def check_variable(name: str, value: str) -> None:
    """Refuse a variable that an `ENV` can't hold.

    Raises:
        InvalidConfiguration: Its name is none, or its value has a character that no environment of an image has.
    """
    if not _NAME.fullmatch(name):
        raise InvalidConfiguration(
            f"`{shown(name)}` is not a valid name for an environment variable",
            hint="names are letters, digits and `_`, and begin with no digit",
        )
    if CONTROL.search(value):
        raise InvalidConfiguration(
            f"the variable `{name}` has a line break or another control character",
            hint="an image's environment can't carry it: encode it, or set it where the container is started",
        )


def check_words(words: Iterable[str]) -> None:
    """Refuse words of a command that a `RUN` can't hold.

    Raises:
        InvalidConfiguration: One has a character that no command has.
    """
    for word in words:
        if _UNCARRIED.search(word):
            raise InvalidConfiguration(
                f"`{shown(word)}` holds a character that a command can't carry",
                hint="leave out null characters and halves of surrogate pairs",
            )


def shown(text: str) -> str:
    """Return a text for messages, with what can't be seen escaped."""
    return text.encode("unicode_escape").decode() if CONTROL.search(text) else text
