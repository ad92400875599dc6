"""The installers that images can be made with: what the rest of zlock has to know of them."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

InstallerName = Literal["pip", "uv"]


class Installer(Struct, frozen=True):
    """An installer; how it installs in an image is said in `image/context/`, in a module of its name.

    Attributes:
        name: As settings, indexes and the `INSTALLER` of what it has installed (PEP 376) have it.
        is_fetched: Whether images fetch it, so that the lock has its wheels; else it is the parent's.
        wants_all_hashes: Whether it refuses a lock in which some packages have hashes and others have none.
        requests_all: Whether it marks all that it installs as requested (PEP 376), so that the mark says nothing.
    """

    name: InstallerName
    is_fetched: bool = False
    wants_all_hashes: bool = False
    requests_all: bool = False


PIP = Installer(name="pip", wants_all_hashes=True)
UV = Installer(name="uv", is_fetched=True, requests_all=True)
INSTALLERS: dict[str, Installer] = {one.name: one for one in (PIP, UV)}
