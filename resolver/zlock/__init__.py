"""Lock a pipeline: every source of requirements, solved together, per step."""

TYPE_CHECKING = False  # type checkers read it as true; `typing` itself would cost every import of zlock
if TYPE_CHECKING:
    from zlock._version import __version__
    from zlock.lock.attached import locks_of
    from zlock.settings.docker import DockerSettings
    from zlock.settings.pipeline import pipeline, step

__all__ = ["DockerSettings", "__version__", "locks_of", "pipeline", "step"]

_HOMES = {
    "DockerSettings": "zlock.settings.docker",
    "__version__": "zlock._version",
    "locks_of": "zlock.lock.attached",
    "pipeline": "zlock.settings.pipeline",
    "step": "zlock.settings.pipeline",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module `zlock` has no attribute `{name}`")
    from importlib import import_module  # importing zlock itself must import nothing

    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return __all__
