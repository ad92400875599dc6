"""What Python source asks with: all of it but comments, blank lines and the bodies of steps."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from collections.abc import Iterator

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_LINE_ENDS = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE)


def asking_source(data: bytes) -> str:
    """Return Python source without what asks for nothing; every Python that can read it returns the same.

    Text is cut, and nothing is written anew from a tree, since trees differ from version to version. What is in a
    string stays as it is.

    Raises:
        SyntaxError: This Python can't read it, such as newer syntax.
        ValueError: Likewise.
        RecursionError: It is nested too deep.
        MemoryError: Likewise.
    """
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    text = re.sub("\r\n?", "\n", data.decode(encoding))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is wrong with the source is its author's to hear, where it runs
        tree = ast.parse(text)
    lines: list[str | None] = list(text.split("\n"))
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in _LINE_ENDS:
            row, column = token.start
            lines[row - 1] = (lines[row - 1] or "")[:column].rstrip() or None
    for function in _steps(tree):
        _cut(lines, function)
    return "\n".join(line for line in lines if line is not None)


def _steps(tree: ast.AST) -> Iterator[_Function]:
    """Yield the outermost functions that `step` decorates, whatever it is an attribute of."""
    pending = [tree]
    while pending:
        for node in ast.iter_child_nodes(pending.pop()):
            if isinstance(node, _Function) and any(map(_is_step, node.decorator_list)):
                yield node
            elif not isinstance(node, ast.expr):
                pending.append(node)


def _is_step(decorator: ast.expr) -> bool:
    named = decorator.func if isinstance(decorator, ast.Call) else decorator
    return (named.attr if isinstance(named, ast.Attribute) else getattr(named, "id", "")) == "step"


def _cut(lines: list[str | None], function: _Function) -> None:
    """Take the body of a function out of the lines; positions in a tree count bytes."""
    first = function.body[0]
    begin = next(iter(getattr(first, "decorator_list", ())), first)
    row = begin.lineno - 1
    header = (lines[row] or "").encode()[: begin.col_offset].decode().rstrip("@ \t\f")
    lines[row : function.end_lineno] = [header or None, *[None] * ((function.end_lineno or 0) - row - 1)]
