"""Commands that say what is in locks, and why."""

from zlock.cli.command import OF_LOCKS, STEP, Command, argument, one_of, path

EXPLAIN = (
    Command(
        "tree",
        "show what needs what in the locks",
        *OF_LOCKS,
        example="zlock tree --step train",
        description="Show each step's requirements, with the file and line that state them, and all that they bring "
        "in.",
    ),
    Command(
        "why",
        "say why a package is in the locks, and why it is not newer",
        one_of(
            argument("package", metavar="PACKAGE", nargs="?", help="its name"),
            argument("--aligned", action="store_true", help="say what sharing versions between steps costs"),
            required=True,
        ),
        *OF_LOCKS,
        example="zlock why numpy --step train",
        description="Say which requirements of which file and line lead to a package, and what holds newer releases "
        "back.\nThe second part asks the index, or with --offline the cache.\n"
        "With --aligned: what would be younger if steps did not share versions, and which step it is older for.",
    ),
    Command(
        "outdated",
        "say what has newer releases, and what holds it back",
        *OF_LOCKS,
        example="zlock outdated --step train",
        description="Say for each step which packages have newer releases than its lock, and what holds each of them "
        "back.\nThe index is asked; nothing is written.",
    ),
    Command(
        "audit",
        "look for known vulnerabilities in the locks",
        argument(
            "--osv",
            action="append",
            required=True,
            type=path,
            metavar="FILE|DIR",
            help="OSV records: JSON, an archive (.zip) of it, or a folder; may be repeated",
        ),
        STEP,
        example="zlock audit --osv all.zip",
        description="Look for known vulnerabilities of the locked versions, in OSV records that are given as files.\n"
        "No network is used, and no package name is sent anywhere. Exit 1 where one is found that\n"
        "`audit-ignore` does not list.",
    ),
    Command(
        "diff",
        "show what changed in the locks",
        argument(
            "against", nargs="?", metavar="REV|FILE", help="what to compare with (default: what is committed, `HEAD`)"
        ),
        argument("--format", choices=("text", "markdown", "json"), default="text", help="how to write it"),
        STEP,
        example="zlock diff main --format markdown",
        description="Compare the locks with those of a git revision, or with a file or folder of locks.",
    ),
)
