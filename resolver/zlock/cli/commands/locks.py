"""Commands that begin a configuration, and make locks."""

from zlock.cli.command import CONFIG, OF_LOCKS, OUTPUT, STEP, Command, argument, filled, path

LOCKS = (
    Command(
        "init",
        "write a first configuration",
        argument(
            "--from",
            dest="origin",
            type=path,
            metavar="FILE",
            help="what to lock: a requirements file, a `pyproject.toml` or a pipeline file",
        ),
        example="zlock init --from requirements.txt",
        description="Write a first `zlock.toml` into the project folder (default: the working folder).\n"
        "A configuration that exists is not replaced.",
    ),
    Command(
        "schema",
        "write the JSON Schema of the configuration",
        OUTPUT,
        example="zlock schema --output zlock.schema.json",
        description="Write the JSON Schema of `zlock.toml`, for editors that use one to complete and check TOML.\n"
        "They find it by a first line such as `#:schema ./zlock.schema.json`.",
    ),
    Command(
        "resolve",
        "write the locks",
        argument(
            "pipelines",
            nargs="*",
            type=filled,
            metavar="PIPELINE",
            help="`file.py`, `file.py:name` or a script, or several of them (default: the configured one)",
        ),
        argument("--all", action="store_true", help="every project in the folder and below it"),
        argument("--check", action="store_true", help="write nothing; exit 1 if a lock is missing or outdated"),
        argument(
            "--exit-code",
            action="store_true",
            help="exit 1 if a lock was written or removed; with --check, also if zlock's hook for hatch would refuse "
            "one",
        ),
        argument("--tracked", action="store_true", help="exit 1 if git does not track a lock"),
        argument("-U", "--upgrade", action="store_true", help="move every pin to the newest release that fits"),
        argument(
            "-P",
            "--upgrade-package",
            action="append",
            default=[],
            metavar="NAME",
            help="move the pin of one package (`pandas`), perhaps to a version or within bounds (`pandas==2.3`)",
        ),
        CONFIG,
        STEP,
        argument("--dry-run", action="store_true", help="solve, and say what would be written; write nothing"),
        argument("--pin-images", action="store_true", help="record the digest of each base image"),
        argument("--upgrade-apt", action="store_true", help="update every Debian package to what apt chooses now"),
        argument("--no-apt", action="store_true", help="lock no Debian packages beyond those that are locked"),
        example="zlock resolve pipeline.py:train --upgrade-package pandas",
        description="Solve every step's requirements and write one lock per step, `pylock.<step>.toml`.\n"
        "Pins that still fit are kept. Nothing is written unless every step was solved.",
    ),
    Command(
        "add",
        "add requirements, and lock them",
        argument("requirements", nargs="+", metavar="REQUIREMENT", help="`pandas`, `pandas>=2`, `name @ URL`"),
        *OF_LOCKS,
        argument(
            "--bounds",
            choices=("lower", "major", "minor", "exact", "none"),
            default="lower",
            help="bounds for a requirement without any, from the locked version (default: lower, `>=2.2.3`)",
        ),
        example="zlock add pandas 'torch>=2.4' --step train",
        description="Add requirements where the step, or without --step all steps, state theirs, and bring the locks "
        "up to date.\nComments and layout of the files stay. Nothing changes where there is no solution.",
        home="change",
    ),
    Command(
        "remove",
        "remove requirements, and lock what is left",
        argument("packages", nargs="+", metavar="PACKAGE", help="its name"),
        *OF_LOCKS,
        example="zlock remove pandas --step train",
        description="Remove requirements from where the step, or without --step all steps, state theirs, and bring "
        "the locks\nup to date. Comments and layout of the files stay.",
        home="change",
    ),
)
