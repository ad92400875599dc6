"""Commands that make images, look into them, and hand them to ZenML."""

import argparse
from pathlib import Path

from zlock.cli.command import CONFIG, OF_LOCKS, OUTPUT, PIPELINE, Command, argument, one_of, path
from zlock.image.builders.choose import BUILDERS
from zlock.model.bills import BILLS
from zlock.model.image import OCI


def _shard(text: str) -> tuple[int, int]:
    part, slash, parts = text.partition("/")
    if not (slash and part.isdecimal() and parts.isdecimal() and 0 < int(part) <= int(parts)):
        raise argparse.ArgumentTypeError(f"`I/N`, two numbers of which I is from 1 to N, not `{text}`")
    return int(part), int(parts)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"a number from 1 on, not `{text}`")
    return int(text)


_BUILDER = argument(
    "--builder",
    choices=(OCI, *BUILDERS),
    help="`oci` puts images together out of layers, the others are engines (default: `oci` where nothing has to be "
    "run, else the first engine that can)",
)

IMAGES = (
    Command(
        "plan",
        "show which images there will be",
        *OF_LOCKS,
        argument("--explain", metavar="STEP", help="say what moved a step's image since the last build"),
        _BUILDER,
        example="zlock plan --explain train",
        description="Show the images that are built from the locks, the steps that share each, and what would be "
        "downloaded.\nNothing is built and no lock is touched.",
    ),
    Command(
        "dockerfile",
        "write the build context of every image",
        *OF_LOCKS,
        argument("-o", "--output", type=path, metavar="DIR", help="the folder around them (default: build/zlock)"),
        argument(
            "--wheelhouse",
            type=path,
            metavar="DIR",
            help="what `zlock fetch` filled: put each image's files beside its Dockerfile, whose build then asks no "
            "index",
        ),
        example="zlock dockerfile --output contexts",
        description="Write a folder for each image, with a Dockerfile and all that it copies: any builder can build "
        "it.",
    ),
    Command(
        "verify",
        "compare what is installed with a lock",
        argument(
            "image",
            metavar="IMAGE",
            help="a reference, `oci:DIR` (a layout), `docker-archive:FILE`, `dir:DIR` (a folder), `env:PYTHON` (an "
            "environment), or another form that docs/verify.md lists",
        ),
        *OF_LOCKS,
        example="zlock verify registry.example/team/train:0a1b2c3d4e5f6071 --step train",
        description="Compare what is installed with the lock of a step; nothing of it is run. Exit 1 where they "
        "differ.",
    ),
    Command(
        "build",
        "build the images that do not exist yet",
        *OF_LOCKS,
        one_of(
            argument(
                "--push",
                action="store_true",
                help="send the images to their repositories, once all are built, with an index over those of several "
                "platforms",
            ),
            argument(
                "-o",
                "--output",
                metavar="PLACE",
                help="where images go that are put together out of layers: `oci:DIR` (a layout) or "
                "`docker-archive:FILE`",
            ),
        ),
        argument(
            "--force",
            action="store_true",
            help="build every image anew, also those that exist (`zlock build --force --step train`)",
        ),
        _BUILDER,
        argument(
            "--attach",
            choices=tuple(BILLS),
            help="with --push: put a bill of materials beside each image, as what refers to it (OCI 1.1)",
        ),
        argument(
            "--shard",
            type=_shard,
            default=(1, 1),
            metavar="I/N",
            help="build every N-th image only, from the I-th on: N machines that push to one registry build all of "
            "them",
        ),
        argument("--jobs", type=_count, default=2, metavar="N", help="how many are built at a time (default: 2)"),
        argument(
            "--apply",
            type=path,
            nargs="?",
            const=Path("build/zlock/run.yaml"),
            metavar="FILE",
            help="write what a run of ZenML takes, as `zlock apply` does (default: build/zlock/run.yaml)",
        ),
        argument("--network", metavar="MODE", help="the network of builds, as the builder has it (`host`, `none`)"),
        example="zlock build --push",
        description="Build every image that is neither in the registry nor on this machine, and print which one each "
        "step runs in.",
    ),
    Command(
        "apply",
        "write what a run of ZenML takes, with the images that were built",
        PIPELINE,
        CONFIG,
        argument(
            "--format",
            choices=("run", "build"),
            default="run",
            help="what to write: `run`, which configures a run, or `build`, a build as ZenML keeps them, for which it "
            "is asked for the active stack (default: run)",
        ),
        _BUILDER,
        OUTPUT,
        example="zlock apply run.py:training --config train.yaml --output locked.yaml",
        description="Write the YAML that configures a run of a ZenML pipeline: what `--config` says, and for every "
        "step the image\nthat `zlock build` made, in which it runs as it is.",
    ),
    Command(
        "stack",
        "write what the active stack of ZenML requires into the configuration",
        argument("action", choices=("import",), metavar="import", help="the one thing that it does"),
        example="zlock stack import",
        description="Ask ZenML, in the project's environment, for the active stack, and write what its components "
        "require into\n`[stack]` of the configuration, so that others lock the same without it.",
    ),
)
