"""The whole log of what an engine failed at, where an error can show only its end."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from zlock.errors import OutsideFailed
from zlock.image.builders.builder import Image
from zlock.image.plan import ImagePlan
from zlock.process import CommandStopped, Watch
from zlock.redact import redact
from zlock.reporting import Line, News
from zlock.workflow.images.parallel import Work


class Logged(Struct, frozen=True):
    """Does something for an image, and tells of a failure where its whole log is.

    Attributes:
        inner: What is done.
        plan: The image's plan.
        folder: Where logs are kept: `<tag>.log`, until the image is built.
    """

    inner: Work[Image]
    plan: ImagePlan
    folder: Path

    def __call__(self, watch: Watch) -> Image:
        """Do it.

        Raises:
            OutsideFailed: It failed.
        """
        log: list[str] = []

        def hear(news: News) -> None:
            if isinstance(news, Line):
                log.append(redact(news.text))
            watch.reporter(news)

        file = self.folder / f"{self.plan.tag}.log"
        try:
            image = self.inner(replace(watch, reporter=hear))
        except CommandStopped:
            raise
        except OutsideFailed as error:
            said = len(list(filter(str.strip, log))) - 1  # the first line is zlock's: which image it looks for
            if said > len(error.context) and _is_written(file, log):
                error.hint = "; ".join(filter(None, (error.hint, f"the whole log is in `{file}`")))
            raise
        except OSError as error:  # so that it does not hide what became of the other images
            where = f"`{error.filename}`" if error.filename else "the folder for temporary files"
            raise OutsideFailed(
                f"the image can't be made: {error.strerror or error}",
                hint=f"check the rights and the space that is left in {where}",
            ) from error
        file.unlink(missing_ok=True)
        return image


def _is_written(file: Path, log: list[str]) -> bool:
    """Write a log, unless the disk refuses: what failed counts more."""
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{line}\n" for line in log), encoding="utf-8")
        return True
    return False
