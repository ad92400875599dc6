"""Indexes with their credentials for the builds that need them: made when a build begins, kept nowhere."""

from __future__ import annotations

from zlock.image.context.installers import index_variables
from zlock.image.plan import ImagePlan
from zlock.index.auth import Credentials, with_login
from zlock.index.machine import DEFAULT, Machine
from zlock.model.indexes import Index, Routing
from zlock.workflow.project.workspace import Workspace


def index_secret(workspace: Workspace, plan: ImagePlan) -> bytes:
    """Return the content of the secret of a plan that `needs_secret`.

    Credentials are looked for where `resolve` looks: in the URL, the environment, netrc and the keyring.
    """
    (routing, *_) = (step.routing for step in workspace.steps if step.name in plan.steps)
    return index_variables(*index_urls(workspace, routing))


def index_urls(workspace: Workspace, routing: Routing) -> tuple[str | None, list[str]]:
    """Return the URL of a step's default index, None for the installers' own, and those of the others, with logins."""
    credentials = Credentials(workspace.environ)
    configured = [index for index in routing.indexes if "://" in index.url]
    default = [_url(credentials, index) for index in configured if index.default] or _machine_default(workspace)
    others = [_url(credentials, index) for index in configured if not index.default]
    return (default[0] if default else None), others


def _url(credentials: Credentials, index: Index) -> str:
    bare = credentials.add_index(index.name, index.url)
    if credentials.login(bare) is None:
        credentials.find_other(bare, None)
    return with_login(bare, credentials.login(bare))


def _machine_default(workspace: Workspace) -> list[str]:
    """Return the default index of the command line or the machine; none where it is the installers' own."""
    url, place = workspace.options.index_url, ""
    if url is None:
        url, place = Machine.read(workspace.environ, workspace.project.folder).index_url()
    return [url] if "://" in url and place != DEFAULT else []
