"""Why releases can't be used, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from zlock.model.target import Target
from zlock.resolution.findings import Files, Flaw, Lack, Nothing, Rejected
from zlock.resolution.misfits import Misfits

_SHOWN = 3


def rejected(one: Rejected) -> str:
    """Say what is wrong with a file or a release."""
    if one.flaw is Flaw.URL:
        why = f"which {rejected(one.cause)}" if one.cause else "a URL that no requirement of the step names"
        return f"requires `{one.detail}`, {why}"
    said = _REJECTED.get(one.flaw, "{}").format(one.detail)
    return f"{said}: {one.detail}" if one.flaw is Flaw.QUARANTINED and one.detail else said


_REJECTED: Mapping[Flaw, str] = {
    Flaw.TAGS: "is a wheel for {}",
    Flaw.SDIST: "sdist",
    Flaw.PYTHON: "requires Python {}",
    Flaw.LATE: "uploaded {}, after the cut-off",
    Flaw.UNDATED: "its index gives no upload time, and a cut-off is set",
    Flaw.QUARANTINED: "the index quarantined it",
    Flaw.STRANGE: "`{}` is not a file of a version of it",
    Flaw.EXTRA: "has no extra `{}`",
    Flaw.GONE: "no file of it fits the target",
}


def nothing(one: Nothing) -> str:
    """Say in one line why no release of a package can be used."""
    said = _NOTHING[one.lack](one) + (f"; nor can {older(one.older)} be used" if one.older else "")
    if one.elsewhere:
        index, version = one.elsewhere
        said += (
            f"; it is taken from the index `{one.index}`, the first that has it, and the index `{index}` has {version}"
        )
    return said


def older(count: int) -> str:
    """Say how many older releases there are."""
    return "1 older one" if count == 1 else f"{count} older ones"


def _yanked(one: Nothing) -> str:
    because = f": {one.because}" if one.because else ""
    return f"every matching release of `{one.name}` was yanked, such as {one.versions[0]}{because}"


def _limited(one: Nothing) -> str:
    within = " and ".join(f"`{limit}`" for limit in one.limits)
    which = f"within {within}" if within else "that can be used"
    return f"no release of `{one.name}` {which} matches" + (f" `{one.specifier}`" if one.specifier else "")


def _by_url(one: Nothing) -> str:
    by = f"`{one.limits[0]}` ({one.limits[0].origins[0]})" if one.limits else "its URL"
    return f"`{one.name}` is {one.versions[0]} by {by}, which does not match `{one.specifier}`"


def _unmatched(one: Nothing) -> str:
    newest = ", ".join(map(str, one.versions))
    rest = f"; the newest that can be used: {newest}" if newest else ", and none of the others can be used"
    return f"no release of `{one.name}` matches `{one.specifier}`{rest}"


def _only_files(one: Nothing) -> str:
    within = f"within {' and '.join(f'`{limit}`' for limit in one.limits)}, " if one.limits else ""
    return within + _files(f"`{one.name}`", one.files, one.target) if one.files else ""


def _unhashed(one: Nothing) -> str:
    hashes = [digest for limit in one.limits for digest in limit.hashes]
    asked = f"`{one.limits[0]}` ({one.limits[0].origins[0]})"
    return f"no file of `{one.name}` has a hash that {asked} asks for: {_listed(hashes)}"


def _files(name: str, files: Files, target: Target) -> str:
    if files.flaws == {Flaw.SDIST}:
        return f"{name} has only sdists for it, no wheels"
    other = [rejected(files.other)] if files.other else []
    if other and not files.misfits and not files.python:
        return f"{name}{f' {files.version}' if files.version else ''}: {other[0]}"
    wheels, file = ("is a wheel", "requires") if files.is_place else ("has wheels only", "has a file that requires")
    parts = [f"{wheels} for {_misfits(files.misfits)}"] if files.misfits else []
    if files.python and not (files.misfits and files.misfits.pythons):
        parts.append(f"{file} Python {files.python}")
    if not parts and not other:
        return f"{name} {files.version} has only an sdist"
    return f"{name} {files.version} {'; '.join(parts + other)}, and the target is {target}"


def _misfits(one: Misfits) -> str:
    said = [f"Python {_ranges(one.pythons)}"] if one.pythons else []
    said += [_listed(one.platforms)] if one.platforms else []
    return " or ".join(said) or _listed(one.others)


def _ranges(minors: Iterable[int]) -> str:
    """Write minor versions of Python 3, those that follow each other as one range."""
    runs: list[list[int]] = []
    for minor in sorted(minors):
        if runs and minor == runs[-1][-1] + 1:
            runs[-1].append(minor)
        else:
            runs.append([minor])
    return ", ".join(f"3.{run[0]}" + (f" to 3.{run[-1]}" if len(run) > 1 else "") for run in runs)


def _listed(tags: Iterable[str]) -> str:
    ordered = sorted(tags)
    return ", ".join(ordered[:_SHOWN]) + (f" and {len(ordered) - _SHOWN} more" if len(ordered) > _SHOWN else "")


_NOTHING: Mapping[Lack, Callable[[Nothing], str]] = {
    Lack.UNKNOWN: lambda one: f"`{one.name}` was not found in any configured index",
    Lack.HASHES: _unhashed,
    Lack.YANKED: _yanked,
    Lack.PRERELEASES: lambda one: f"only pre-releases of `{one.name}` match, such as {one.versions[0]}",
    Lack.LIMITED: _limited,
    Lack.EXCLUDED: _limited,
    Lack.FILES: _only_files,
    Lack.URL: _by_url,
    Lack.UNMATCHED: _unmatched,
    Lack.EMPTY: lambda one: f"the index lists `{one.name}` without any usable file",
}
