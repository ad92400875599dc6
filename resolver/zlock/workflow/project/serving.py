"""Which indexes serve a step, as the command line, the configuration and this machine say."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from zlock.index.auth import Credentials, with_login
from zlock.model.indexes import Index, Routing
from zlock.workflow.project.workspace import Workspace


def serving(workspace: Workspace, routing: Routing) -> tuple[Index, ...]:
    """Return the indexes that serve a step, in the order they are asked; without a default one the installers' own is.

    `--index-url` takes the place of the configured default index, and that one the place of the machine's.

    Raises:
        InvalidConfiguration: That of the command line or the machine is neither a URL nor the path of a folder.
    """
    others = tuple(index for index in routing.indexes if not index.default)
    default = tuple(index for index in routing.indexes if index.default)
    if url := workspace.options.index_url:
        default = (Index.parse(url, Path.cwd(), "`--index-url`"),)
    elif not default and (url := workspace.machine.index_url()):
        default = (Index.parse(url, Path.cwd(), "the default index of this machine"),)
    return (*others, *(replace(index, default=True) for index in default))


def serving_with_logins(workspace: Workspace, routing: Routing) -> list[Index]:
    """Return those of the indexes that serve a step that are no folders of this machine, logins in their URLs.

    Credentials are looked for where `resolve` looks: in the URL, the environment, netrc and the keyring.
    """
    credentials = Credentials(workspace.environ)
    indexes = [index for index in serving(workspace, routing) if index.place is None]
    bare = [credentials.add_index(index.name, index.url) for index in indexes]
    for url in bare:
        if credentials.login(url) is None:
            credentials.find_other(url, None)
    return [replace(one, url=with_login(url, credentials.login(url))) for one, url in zip(indexes, bare, strict=True)]
