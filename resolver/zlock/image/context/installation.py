"""What an installer has to know of an image, and what is asked of an installer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from zlock.image.context.dockerfile import Action, Mount
from zlock.image.context.options import Options
from zlock.model import installer
from zlock.model.image import CACHE, FOLDER

REQUIREMENTS, DIRECT, SDISTS = "requirements.txt", "direct.txt", "sdists"
OWN = "folders.txt"
"""What is installed of the project's own folders."""
WHEELHOUSE = "wheelhouse"
"""The folder of the context that holds all that is installed, where no index is to be asked."""
HOUSE = f"{FOLDER}/{WHEELHOUSE}"
"""Where that is while packages are installed."""
INDEXES = "indexes.sh"
"""The file that names indexes which anybody may ask, as the secret does it."""
SECRET = "zlock-index"  # noqa: S105 - the secret's id, not its content


class Built(Struct, frozen=True, kw_only=True):
    """A package that is built first.

    Attributes:
        name: Its normalized name.
        version: Its version, which a wheel of an sdist must have.
        is_repository: Whether it is taken from a repository; else it is an sdist with a hash.
        is_bare: Whether its build requires nothing.
    """

    name: str
    version: str
    is_repository: bool = False
    is_bare: bool = False

    @property
    def source(self) -> str:
        """The file that says where it comes from."""
        return f"{FOLDER}/{SDISTS}/{self.name}.txt"

    @property
    def needs(self) -> str:
        """The file that says what it is built with."""
        return f"{FOLDER}/{SDISTS}/{self.name}.build.txt"


class Installation(Struct, frozen=True, kw_only=True):
    """What an installer has to know.

    Attributes:
        installer: Which one it is.
        files: Which of `REQUIREMENTS` and `DIRECT` there are.
        own: Whether there is `OWN`.
        sdists: The packages that are built first.
        options: More options for it.
        variables: Variables of its environment.
        venv: The folder of the environment; empty where packages go to the parent's interpreter.
        cache: Whether its cache is kept between builds.
        secret: Whether indexes come in as a build secret.
        indexes: Whether they are named in `INDEXES`.
        wheelhouse: Whether everything comes from the folder `WHEELHOUSE`, and no index is asked.
        bytecode: Whether modules are compiled.
    """

    installer: installer.Installer
    files: tuple[str, ...] = ()
    own: bool = False
    sdists: tuple[Built, ...] = ()
    options: tuple[str, ...] = ()
    variables: Mapping[str, str] = {}
    venv: str = ""
    cache: bool = False
    secret: bool = False
    indexes: bool = False
    wheelhouse: bool = False
    bytecode: bool = True

    @property
    def python(self) -> str:
        """The interpreter that gets the packages."""
        return f"{self.venv}/bin/python" if self.venv else "python3"

    @property
    def mounts(self) -> tuple[Mount, ...]:
        """What is there while it works."""
        cache = (Mount("cache", {"id": f"zlock-{self.installer.name}", "target": CACHE}),) if self.cache else ()
        secret = (Mount("secret", {"id": SECRET, "required": "true"}),) if self.secret else ()
        # Where nothing is locked, the context has no such folder.
        reads_wheels = self.wheelhouse and (self.files or self.sdists or self.installer.is_fetched)
        house = (Mount("bind", {"source": WHEELHOUSE, "target": HOUSE}),) if reads_wheels else ()
        return (*cache, *secret, *house)


def pin_of(fetched: str) -> str:
    """Return the file that says which version of an installer is fetched."""
    return f"{fetched}.txt"


class Way(Protocol):
    """How an installer installs in an image.

    Attributes:
        options: What it takes as arguments and variables.
        offline: The variables that have it take everything from `HOUSE`.
    """

    options: Options
    offline: Mapping[str, str]

    def index_variables(self, default: str | None, others: Sequence[str]) -> Mapping[str, str | None]:
        """Return the variables that name indexes; empty ones are left out.

        Args:
            default: The URL of the default index, credentials in it; None for the installer's own.
            others: Those of the other indexes.
        """

    def install(self, facts: Installation) -> Sequence[Action]:
        """Return what installs the files of the context, each with hashes where it has them."""

    def run(self, facts: Installation, argv: tuple[str, ...]) -> Sequence[Action]:
        """Return what runs a command of the project, which finds the installer and installs into the environment."""
