"""What a Python file says before it is run: whether it may hold a pipeline or a step.

The process of a pipeline file asks that too, so the standard library is all that is imported here.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from zlock.regular import read_regular


def may_hold(file: Path, makers: Collection[str], folders: Sequence[Path], name: str = "") -> bool:
    """Tell whether running a file may give a pipeline or a step; a script for training is not to be run to find out.

    It may where a function in it is decorated as one, or where a package is imported that makes them, by the file or
    by what it imports from the project. What it imports from elsewhere is not read: then a name has to be asked for,
    and be more in the file than a plain function. A file that can't be parsed may hold anything: whoever runs it says
    what is wrong.

    Args:
        file: The file.
        makers: The packages that make pipelines and steps.
        folders: Where the modules of the project are.
        name: What is asked for by name.
    """
    waiting, seen = [file], set[Path]()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        tree = _parsed(path)
        if tree is None or _is_decorated(tree) or (not seen and name and {name, "*"} & {*_made(tree)}):
            return True
        seen.add(path)
        for folder, module, names in _imports(tree, path):
            if folder is None and module.partition(".")[0] in makers:
                return True
            for root in [folder] if folder else folders:
                waiting += _files(root, module, names)
    return False


def has_steps(text: str | bytes) -> bool:
    """Tell whether a function in the text of a file is decorated as a pipeline or a step."""
    tree = _tree(text)
    return tree is not None and _is_decorated(tree)


def _parsed(path: Path) -> ast.Module | None:
    try:
        return _tree(read_regular(path))
    except (OSError, ValueError):
        return None


def _tree(text: str | bytes) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # such as newer syntax
        return None


def _is_decorated(tree: ast.Module) -> bool:
    functions = (one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef))
    return any(_makes_steps(decorator) for function in functions for decorator in function.decorator_list)


def _makes_steps(decorator: ast.expr) -> bool:
    return ast.unparse(decorator).partition("(")[0].rpartition(".")[2] in ("pipeline", "step")


def _made(tree: ast.Module) -> Iterator[str]:
    """Yield the names that a file binds to what may have been made elsewhere: all but plain functions and classes."""
    for one in ast.walk(tree):
        if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store):
            yield one.id
        elif isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) and one.decorator_list:
            yield one.name
        elif isinstance(one, ast.alias):
            yield (one.asname or one.name).partition(".")[0]


def _imports(tree: ast.Module, path: Path) -> Iterator[tuple[Path | None, str, set[str]]]:
    """Yield each module that is imported, with the folder that it counts from, and the names that are bound from it."""
    for one in ast.walk(tree):
        if isinstance(one, ast.Import):
            yield from ((None, each.name, set()) for each in one.names)
        elif isinstance(one, ast.ImportFrom):
            folder = path.parents[min(one.level, len(path.parents)) - 1] if one.level else None
            yield folder, one.module or "", {name for each in one.names for name in (each.name, each.asname or "")}


def _files(root: Path, module: str, names: set[str]) -> Iterator[Path]:
    """Yield the files that an import runs where a module is in a folder: its packages, itself, and what is in it."""
    parts = module.split(".") if module else []
    inside = [root.joinpath(*parts[:count]) for count in range(1, len(parts) + 1)]
    for base in [*inside, *(root.joinpath(*parts, name) for name in names if name.isidentifier())]:
        yield from filter(Path.is_file, (base.with_name(f"{base.name}.py"), base / "__init__.py"))
