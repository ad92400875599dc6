"""The words of what a run says of itself."""

from __future__ import annotations

from zlock.reporting import Activity, Doing, End, Ended
from zlock.wording import counted, listed

_WORDS = {
    Activity.ASKING_AGAIN: "asking again for pages that were in the cache",
    Activity.ASKING_ARCHIVES: "asking the archives of `{subject}` for Debian packages",
    Activity.ASKING_BUILD_REQUIREMENTS: "asking what building `{subject}` requires",
    Activity.ASKING_FOR_PARENT: "asking the registry for the base image `{subject}`",
    Activity.ASKING_REGISTRY: "asking the registry for `{subject}`",
    Activity.BUILDING: "building `{subject}`",
    Activity.BUILDING_IMAGE: "building",
    Activity.BUILDING_PARENT: "building its base image",
    Activity.BUILDING_STAGE: "installing its Debian packages on its base image",
    Activity.CHECKING_WHEELHOUSE: "checking the wheelhouse: {done} of {files}",
    Activity.COMPARING: "comparing files with what was installed, and compiled files with their sources",
    Activity.COMPILING: "compiling sources again: {done} of {files}",
    Activity.EXPLAINING: "explaining why `{subject}` has no answer",
    Activity.FETCHING: "fetching `{subject}`",
    Activity.FETCHING_FILES: "fetching: {done} of {files}, {megabytes:.1f} MB",
    Activity.HASHING: "hashing `{subject}`: its index gives no sha256",
    Activity.LOADING: "loading it into {place}",
    Activity.LOOKING_AT_PACKAGES: "solving: {packages} looked at{building}",
    Activity.LOOKING_FOR_FILES: "looking for what the locks need",
    Activity.LOOKING_FOR_NEWER: "looking for newer releases of `{subject}`: {done} of {packages_in}",
    Activity.LOOKING_IN_STORE: "looking for `{subject}` in {place}",
    Activity.MAKING_ENVIRONMENT: "making the environment of `{subject}`: {packages_in}{of_size}",
    Activity.MAKING_LAYER: "making the layer of {subject}",
    Activity.MERGING: "merging what the locks are made from",
    Activity.MOVING_LAYERS: "layers: {fetched}stored {of_bytes}{making}",
    Activity.PUSHING: "pushing",
    Activity.PUSHING_LAYER: "storing the layer of {subject}, {megabytes:.1f} MB",
    Activity.READING_LAYER: "reading layer {done} of {total} of `{subject}`",
    Activity.READING_RECORDS: "reading records of vulnerabilities",
    Activity.READING_SOURCES: "reading the sources of `{subject}`",
    Activity.RUNNING_PIPELINE: "running `{subject}` for its steps",
    Activity.SEARCHING: "solving: {done} tries",
    Activity.SOLVING: "solving {steps}{together}",
    Activity.TRYING_CHANGES: "trying what would solve `{subject}`",
    Activity.WAITING: "waiting: `{subject}` is kept by {place}",
    Activity.WRITING_INDEX: "writing",
}
_ENDS = {
    End.BUILT: "built in {seconds:.0f} s",
    End.EXISTS: "exists",
    End.FAILED: "failed",
    End.NOT_WRITTEN: "not written",
    End.PUSHED: "pushed in {seconds:.0f} s",
    End.WRITTEN: "written",
}


def words(doing: Doing) -> str:
    """Say what a run is doing."""
    return _WORDS[doing.what].format(
        subject=doing.subject,
        place=doing.place,
        done=doing.done,
        total=doing.total,
        files=counted(doing.total, "file"),
        steps=counted(doing.total, "step"),
        packages=counted(doing.done, "package"),
        packages_in=counted(doing.total, "package"),
        together=" together" if doing.total > 1 else "",
        megabytes=doing.received / 1e6,
        fetched=f"fetched {_of(doing.done, doing.total)}, " if doing.total else "",
        of_bytes=_of(doing.received, doing.size),
        making=f" so far, making that of {doing.subject}" if doing.subject else "",
        of_size=f", {_of(doing.received, doing.size)}" if doing.size else "",
        building=f", building {listed(doing.building)}" if doing.building else "",
    )


def _of(done: int, size: int) -> str:
    return f"{done / 1e6:.1f} of {size / 1e6:.1f} MB"


def end_words(ended: Ended) -> str:
    """Say what became of a task."""
    return _ENDS[ended.how].format(seconds=ended.seconds)
