"""The indexes of the configuration, and what routes packages to them."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace
from packaging.utils import NormalizedName

from zlock import checks
from zlock.checks import Check, accepts
from zlock.model.indexes import Index, Routing
from zlock.redact import redact
from zlock.settings import rules
from zlock.settings.keys import NOTHING, QUESTION, key, read, reads
from zlock.settings.table import Table
from zlock.wording import did_you_mean

_url_or_path = Check(checks.text, "URL, or path of a folder", checks.text.schema)


class IndexTable(Struct, frozen=True, kw_only=True):
    """A table `[[index]]`.

    Attributes:
        url: Where it is.
        name: What `index-sources` and credentials call it.
        default: It is asked last, in place of this machine's default index.
        explicit: It is asked only for the packages that `index-sources` sends to it.
        index_in_context: Its URL may be written into [build contexts](images.md#indexes-that-anybody-may-ask) and
            exports, so that builds need no secret for it. It has no credentials in it, and is not a folder.
    """

    url: str = key(_url_or_path, "", QUESTION, required='url = "https://index.example/simple/"')
    name: str | None = key(checks.text, None, QUESTION)
    default: bool = key(checks.boolean, False, QUESTION)
    explicit: bool = key(checks.boolean, False, QUESTION)
    index_in_context: bool = key(checks.boolean, False, NOTHING)


@reads("list of tables", type="array", items={"$ref": "#/definitions/index"})
def indexes(table: Table, key: str) -> tuple[Index, ...]:
    """Read tables of indexes."""
    found = tuple(map(_index, table.rows(key)))
    names = [index.name for index in found if index.name]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        table.wrong(key, f"two tables have the name `{name}`", hint="give one of them another name")
    if sum(index.default for index in found) > 1:
        table.wrong(key, "two tables have `default = true`", hint="only one index is asked last")
    return found


def _index(row: Table) -> Index:
    stated = read(IndexTable, row)
    found = Index(url=stated.url)
    if stated.url:
        with row.collecting("url"):
            found = Index.parse(stated.url, row.file.parent, f"`{row.path('url')}`")
    if stated.explicit and not stated.name:
        row.wrong("explicit", "an explicit index has a name", hint="add a `name` to route packages to it")
    if stated.index_in_context and found.folder:
        hint = "leave this out; images get what is in folders by `zlock dockerfile --wheelhouse`"
        row.wrong("index-in-context", "a folder of this machine is in no build of an image", hint=hint)
    elif stated.index_in_context and redact(stated.url) != stated.url:
        hint = "leave this out, so that the index reaches builds as a secret; or take the credentials out of the URL"
        row.wrong("index-in-context", "`url` holds credentials, which would be in every build context", hint=hint)
    return replace(
        found, name=stated.name, default=stated.default, explicit=stated.explicit, in_context=stated.index_in_context
    )


@accepts("table, package to index name", **checks.table_of(checks.NAME, **checks.text.schema))
def routes(value: object, at: str) -> dict[NormalizedName, str]:
    """Accept which index serves which package."""
    return checks.entries(value, at, checks.text, rules.package)


def check_routes(table: Table, routing: Routing, own: Mapping[NormalizedName, str]) -> None:
    """Collect the routes to an index that is not there: the package would come from wherever else it is found.

    Args:
        table: The table of the project or of a step, which states some of the routes.
        routing: The indexes, and all routes.
        own: The routes that are stated there.
    """
    names = [index.name for index in routing.indexes if index.name]
    for package, route in sorted(routing.sources.items()):
        if route not in names and package in own:
            hint = did_you_mean(route, names) or "name one of the tables under `index`"
            table.table("index-sources").wrong(package, f"there is no index `{route}`", hint=hint)
        elif route not in names:
            problem = f"`index-sources` sends `{package}` to `{route}`, which is not among them"
            table.wrong("index", problem, hint=f"add that table here too, or route `{package}` for this step")
