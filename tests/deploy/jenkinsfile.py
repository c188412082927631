"""Reads a declarative Jenkinsfile into blocks, and says what breaks the rules of the declarative syntax."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import tree_sitter
import tree_sitter_groovy

GROOVY: Final = tree_sitter.Language(tree_sitter_groovy.language())

ALLOWED: Final = {
    "pipeline": {"agent", "options", "environment", "stages", "post", "parameters", "triggers", "tools", "libraries"},
    "stage": {
        "agent", "options", "environment", "stages", "steps", "parallel", "matrix", "post", "when", "input", "tools",
        "failFast",
    },
    "post": {
        "always", "changed", "fixed", "regression", "aborted", "failure", "success", "unstable", "unsuccessful",
        "cleanup",
    },
    "stages": {"stage"},
    "parallel": {"stage"},
}  # fmt: skip
"""What may stand in which block: https://www.jenkins.io/doc/book/pipeline/syntax/"""

DOERS: Final = {"steps", "parallel", "stages", "matrix"}


@dataclass(frozen=True)
class Block:
    """A directive: its name, its first string argument where it has one, and what stands in its braces."""

    name: str
    argument: str
    children: tuple["Block", ...]
    text: str

    def child(self, name: str) -> "Block | None":
        """Return the first child of that name."""
        return next((block for block in self.children if block.name == name), None)

    def every(self, name: str) -> Iterator["Block"]:
        """Return all blocks of that name, at any depth."""
        for block in self.children:
            if block.name == name:
                yield block
            yield from block.every(name)


def read_blocks(source: str) -> tuple[Block, ...]:
    """Return the top-level blocks.

    Raises:
        SyntaxError: it isn't Groovy; the message names the line.
    """
    root = tree_sitter.Parser(GROOVY).parse(source.encode()).root_node
    if root.has_error:
        raise SyntaxError(f"not Groovy from line {_first_error(root) + 1} on")
    return tuple(_blocks(root))


def complaints(source: str) -> list[str]:
    """Return what is wrong; nothing where the file is a sound declarative pipeline."""
    try:
        top = read_blocks(source)
    except SyntaxError as error:
        return [str(error)]
    if [block.name for block in top] != ["pipeline"]:
        return ["the file is one pipeline { } block"]
    pipeline = top[0]
    found = [f"pipeline has no {name}" for name in ("agent", "stages") if pipeline.child(name) is None]
    return found + list(_inside(pipeline))


def _inside(block: Block) -> Iterator[str]:
    allowed = ALLOWED.get(block.name)
    where = f"{block.name} {block.argument}".strip()
    if allowed is not None:
        yield from (
            f"{where}: {child.name} may not stand here" for child in block.children if child.name not in allowed
        )
        names = [child.name for child in block.children if child.name != "stage"]
        yield from (f"{where}: {name} twice" for name in sorted({name for name in names if names.count(name) > 1}))
    if block.name == "stage":
        if not block.argument:
            yield "a stage has no name"
        if len([child for child in block.children if child.name in DOERS]) != 1:
            yield f"{where}: needs exactly one of {', '.join(sorted(DOERS))}"
    if block.name in {"steps", "stages", "parallel"} and not block.children:
        yield f"{where} is empty"
    for child in block.children:
        yield from _inside(child)


def _blocks(node: tree_sitter.Node) -> Iterator[Block]:
    for child in node.named_children:
        inner = child.named_children[0] if child.type == "expression_statement" else child
        if inner.type in {"method_invocation", "juxt_function_call"}:  # name(…) {…} and name …
            name = inner.child_by_field_name("name")
            body = inner.child_by_field_name("body")
            arguments = inner.child_by_field_name("arguments") or inner.child_by_field_name("args")
            yield Block(
                name=_text(name) if name else "",
                argument=_first_string(arguments) if arguments else "",
                children=tuple(_blocks(body)) if body else (),
                text=_text(inner),
            )
        elif inner.type == "local_variable_declaration":  # how the grammar sees `agent any`
            kind = inner.child_by_field_name("type")
            yield Block(name=_text(kind) if kind else "", argument="", children=(), text=_text(inner))


def _first_string(node: tree_sitter.Node) -> str:
    strings = (child for child in node.named_children if child.type in {"character_literal", "string_literal"})
    return next((_text(child).strip("'\"") for child in strings), "")


def _text(node: tree_sitter.Node) -> str:
    return (node.text or b"").decode()


def _first_error(node: tree_sitter.Node) -> int:
    row: int = node.start_point.row
    if node.is_error or node.is_missing:
        return row
    return next((_first_error(child) for child in node.children if child.has_error), row)
