"""How pip and uv install what was locked: from facts to commands.

The environment is a venv without pip, so it holds what the lock holds and nothing else; the parent's pip installs
into it from outside (`--python`, pip 22.3). uv is fetched by the parent's pip with its hashes, used, and removed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from zlock.image.context.dockerfile import Action, Command, Mount, Python, Run, Shell
from zlock.model.image import CACHE, FOLDER

REQUIREMENTS, DIRECT, UV, SDISTS = "requirements.txt", "direct.txt", "uv.txt", "sdists"
OWN, FOLDERS = "folders.txt", "folders"
"""What is installed of the project's own folders, and the folder of the context that holds the files."""
WHEELHOUSE = "wheelhouse"
"""The folder of the context that holds all that is installed, where no index is to be asked."""
HOUSE = f"{FOLDER}/{WHEELHOUSE}"
"""Where that is while packages are installed."""
INDEXES = "indexes.sh"
"""The file that names indexes which anybody may ask, as the secret does it."""
SECRET = "zlock-index"  # noqa: S105 - the secret's id, not its content
_UV_FOLDER = "/tmp/zlock-uv"  # noqa: S108 - of the image, gone at the end of the command
_BUILD, _WHEELS, _BUILT = "/tmp/zlock-build", "/tmp/zlock-wheels", "/tmp/zlock-built"  # noqa: S108 - likewise
_PIP = ("--disable-pip-version-check", "--no-input")
# What is older than 1980 can't be in a zip, so this is the oldest time that build backends take.
_EPOCH = {"SOURCE_DATE_EPOCH": "315532800"}
_SEED = {"PYTHONHASHSEED": "0"}
_UNASKED = {"GIT_TERMINAL_PROMPT": "0"}  # a login that is missing ends the build


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Installation:
    """What an installer has to know.

    Attributes:
        installer: "pip" or "uv".
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
    """

    installer: str
    files: tuple[str, ...] = ()
    own: bool = False
    sdists: tuple[Built, ...] = ()
    options: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict, hash=False)
    venv: str = ""
    cache: bool = False
    secret: bool = False
    indexes: bool = False
    wheelhouse: bool = False

    @property
    def python(self) -> str:
        """The interpreter that gets the packages."""
        return f"{self.venv}/bin/python" if self.venv else "python3"

    @property
    def mounts(self) -> tuple[Mount, ...]:
        """What is there while it works."""
        cache = (Mount("cache", {"id": f"zlock-{self.installer}", "target": CACHE}),) if self.cache else ()
        secret = (Mount("secret", {"id": SECRET, "required": "true"}),) if self.secret else ()
        # Where nothing is locked, the context has no such folder.
        reads_wheels = self.wheelhouse and (self.files or self.sdists or self.installer == "uv")
        house = (Mount("bind", {"source": WHEELHOUSE, "target": HOUSE}),) if reads_wheels else ()
        return (*cache, *secret, *house)


def install(facts: Installation) -> Run:
    """Return the command that makes the environment and installs what was locked."""
    commands: list[Action] = [*_check_git(facts)]
    if facts.venv:
        commands.append(Command(("python3", "-m", "venv", "--without-pip", facts.venv)))
    if not (facts.files or facts.own or facts.sdists):
        return Run(tuple(commands))
    commands += [*_indexes(facts), *_WAYS[facts.installer](facts), *_own(facts), *_build(facts), _compile(facts)]
    return Run(tuple(commands), facts.mounts)


def _check_git(facts: Installation) -> Sequence[Shell]:
    """Return what stops the build early where repositories can't be cloned."""
    if not any(one.is_repository for one in facts.sdists):
        return ()
    missing = "zlock: packages come from git repositories, and there is no git: add it to apt_packages"
    return (Shell(f"command -v git > /dev/null || \\\n        {{ echo '{missing}' >&2; exit 1; }}"),)


def install_project(facts: Installation, command: str | tuple[str, ...]) -> Run:
    """Return the command that installs the project itself; what it fetches, it fetches for itself.

    `pip` and `uv` install into the environment, though neither is in it.
    """
    argv = ("/bin/sh", "-c", command) if isinstance(command, str) else command
    environ = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_CACHE_DIR": "1", **_EPOCH}
    environ |= {"PIP_PYTHON": facts.python} if facts.venv else {"PIP_BREAK_SYSTEM_PACKAGES": "1"}
    if facts.installer == "pip":
        return Run((*_indexes(facts), Command(argv, environ)), facts.mounts)
    environ |= {"UV_NO_CACHE": "1"}
    environ |= {} if facts.venv else {"UV_SYSTEM_PYTHON": "1", "UV_BREAK_SYSTEM_PACKAGES": "1"}
    fetch = _fetch_uv(facts, "pip")  # `python3` is now the environment's, which has none
    path = Shell(f'export PATH="{_UV_FOLDER}/bin:$PATH"')
    return Run((*_indexes(facts), fetch, path, Command(argv, environ), _drop_uv(facts)), facts.mounts)


def _indexes(facts: Installation) -> tuple[Shell, ...]:
    """Return what says where packages come from: variables for this command, and nowhere else."""
    if facts.wheelhouse:
        for_uv = f" UV_OFFLINE=1 UV_FIND_LINKS={HOUSE}" if facts.installer == "uv" else ""
        return (Shell(f"export PIP_NO_INDEX=1 PIP_FIND_LINKS={HOUSE}{for_uv}"),)
    file = f"/run/secrets/{SECRET}" if facts.secret else f"{FOLDER}/{INDEXES}" if facts.indexes else ""
    return (Shell(f"set -a; . {file}; set +a"),) if file else ()


def _pip(facts: Installation) -> list[Command]:
    return [
        _pip_install(facts, *_checked(file), *facts.options, "--requirement", f"{FOLDER}/{file}")
        for file in facts.files
    ]


def _own(facts: Installation) -> list[Command]:
    """Return what installs the wheels of the project's folders: by pip alone, as uv would record times of files."""
    return [_pip_install(facts, "--no-index", "--requirement", f"{FOLDER}/{OWN}")] if facts.own else []


def _pip_install(facts: Installation, *words: str, cache: tuple[str, ...] = ()) -> Command:
    """Return a call of the parent's pip that installs into the environment."""
    into = ("--python", facts.python) if facts.venv else ()
    environ = {} if facts.venv else {"PIP_BREAK_SYSTEM_PACKAGES": "1"}
    kept = cache or _pip_cache(facts)
    return Command(
        ("python3", "-m", "pip", *into, "install", *_PIP, "--no-compile", *kept, "--no-deps", *words), environ
    )


def _pip_cache(facts: Installation) -> tuple[str, ...]:
    return ("--cache-dir", f"{CACHE}/pip") if facts.cache else ("--no-cache-dir",)


def _build(facts: Installation) -> list[Action]:
    """Return what builds wheels, each with what was locked for it, and installs them.

    Of a repository pip records the commit (PEP 610) only if it finds the wheel in its cache, by the URL.
    """
    if not facts.sdists:
        return []
    # Tools of a build are found after the parent's own, whose `python3` has the pip.
    commands: list[Action] = [Shell(f'export PATH="$PATH:{_BUILD}/bin"')]
    for one in facts.sdists:
        commands += _wheel(facts, one)
    pins = [f"{one.name}=={one.version}" for one in facts.sdists if not one.is_repository]
    if pins:
        commands.append(_pip_install(facts, "--no-index", "--find-links", _WHEELS, *pins))
    repositories = [word for one in facts.sdists if one.is_repository for word in ("--requirement", one.source)]
    if repositories:
        # What would not be in the cache could not be built here, so nothing comes in that was not locked.
        commands.append(_pip_install(facts, "--no-build-isolation", *repositories, cache=("--cache-dir", _BUILT)))
    return [*commands, Command(("rm", "-rf", _WHEELS, _BUILT))]


def _wheel(facts: Installation, one: Built) -> list[Command]:
    """Return what builds one wheel: never taken from a cache that is kept, as it may be built with something else."""
    pip = ("python3", "-m", "pip", "--python", f"{_BUILD}/bin/python")
    checked = () if one.is_repository else ("--require-hashes",)
    environ = {**_EPOCH, **_SEED, **(_UNASKED if one.is_repository else {})}
    away = ("--cache-dir", _BUILT, "--no-deps", *checked, "--no-build-isolation", "--wheel-dir", _WHEELS)
    needs = ("--no-deps", "--require-hashes", "--no-compile", "--requirement", one.needs)
    return [
        Command(("python3", "-m", "venv", "--without-pip", _BUILD)),
        *([] if one.is_bare else [Command((*pip, "install", *_PIP, *_pip_cache(facts), *needs))]),
        Command((*pip, "wheel", *_PIP, *away, "--requirement", one.source), environ),
        Command(("rm", "-rf", _BUILD)),
    ]


def _uv(facts: Installation) -> list[Action]:
    into = ("--python", facts.python) if facts.venv else ("--system", "--break-system-packages")
    cache = ("--cache-dir", f"{CACHE}/uv") if facts.cache else ("--no-cache",)
    head = (f"{_UV_FOLDER}/bin/uv", "pip", "install", *into, "--link-mode", "copy", *cache, "--no-deps")
    installs = [
        Command((*head, *_checked(file), *facts.options, "--requirements", f"{FOLDER}/{file}"), facts.variables)
        for file in facts.files
    ]
    return [_fetch_uv(facts, "python3", "-m", "pip"), *installs, _drop_uv(facts)]


_WAYS: Mapping[str, Callable[[Installation], Sequence[Action]]] = {"pip": _pip, "uv": _uv}


def _checked(file: str) -> tuple[str, ...]:
    """Return what has the hashes of a file's requirements enforced; repositories have none."""
    return ("--require-hashes",) if file == REQUIREMENTS else ()


def _fetch_uv(facts: Installation, *pip: str) -> Command:
    head = (*pip, "install", *_PIP, "--no-compile", *_pip_cache(facts), "--no-deps")
    return Command((*head, "--require-hashes", "--target", _UV_FOLDER, "--requirement", f"{FOLDER}/{UV}"))


def _drop_uv(facts: Installation) -> Shell:
    """Return what removes uv, and the files by which it had kept others out of the environment."""
    lock = f" {facts.venv}/.lock" if facts.venv else ""
    return Shell(f"rm -rf {_UV_FOLDER} /tmp/uv-*.lock{lock}")


def _compile(facts: Installation) -> Python:
    """Return what compiles all modules: the same bytes each time, and none is compiled or checked at a start (PEP 552).

    Packages may hold files that are no Python of this version: the log names them, and the build goes on.
    """
    program = (
        "import compileall, py_compile, sysconfig",
        "unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH",
        "folders = {sysconfig.get_path(kind) for kind in ('purelib', 'platlib')}",
        "[compileall.compile_dir(one, quiet=1, force=True, invalidation_mode=unchecked) for one in folders]",
    )
    return Python(facts.python, program, {"PYTHONHASHSEED": "0"})
