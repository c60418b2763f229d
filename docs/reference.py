"""Makes reference.md of the program's own types: `python docs/reference.py`."""

import re
from collections.abc import Iterable
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints

import click
from pydantic import BaseModel

from streamfit.cli.main import cli
from streamfit.daemon.config import Config
from streamfit.protocol import schema

BASES = (schema.Sent, schema.Published, schema.Kinematics)
PAGE = Path(__file__).with_name("reference.md")


def page() -> str:
    """The whole of it."""
    parts = [
        "# Reference",
        "Made from the program's types by `docs/reference.py`; a test sees to it that the two agree.",
        "## Messages",
        _text(schema).partition("\n\n")[2],
        "### Sent to the daemon",
        *(_message(kind) for kind in schema.INGEST),
        "### Published",
        "Two frames: the topic, UTF-8, and the message.",
        *(_message(kind) for kind in schema.PUBLISHED),
        "### Control",
        "A request has `v`, `type` (the operation) and `id`; the reply `v`, `type`, `id`, `ok`, and `result`, or "
        f"`error`: `code` and `message`. Codes: {_codes()}.",
        _table(("operation", "request", "result"), [(f"`{n}`", *row) for n, row in schema.OPERATIONS.items()]),
        "## Configuration",
        "TOML. Paths are relative to the file.",
        *(_section(name, field.annotation) for name, field in Config.model_fields.items() if not field.exclude),
        "## Commands",
        *(_command(name, command) for name, command in sorted(cli.commands.items())),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _message(kind: type) -> str:
    hints = get_type_hints(kind, include_extras=True)
    base = max(
        (b for b in BASES if b is not kind and _keys(b) <= _keys(kind)), key=lambda b: len(_keys(b)), default=None
    )
    inherited = _keys(base) if base is not None and kind is not schema.Published else set()
    rows = [
        (f"`{key}`", *_described(hint, key not in schema.LATER))
        for key, hint in hints.items()
        if key not in inherited or key == "type"
    ]
    rows = [row for row in rows if row[0] != "`type`" or kind is schema.Published]
    also = f" And what `{base.__name__}` has." if base in (schema.Kinematics,) else ""
    return f"#### {kind.__name__}\n\n{_text(kind)}{also}\n\n" + _table(("key", "type", ""), rows)


def _keys(kind: type) -> set[str]:
    return set(get_type_hints(kind))


def _described(hint: Any, may_lack: bool) -> tuple[str, str]:
    """A type in words, and what is said of it."""
    said, optional = "", False
    while get_origin(hint) in (Annotated, NotRequired):
        if get_origin(hint) is Annotated:
            said = next((x for x in get_args(hint)[1:] if isinstance(x, str)), said)
        optional |= may_lack and get_origin(hint) is NotRequired
        hint = get_args(hint)[0]
    return _type(hint) + (", optional" if optional else ""), said


def _type(hint: Any) -> str:
    if hint is Any:
        return "array"
    if get_origin(hint) is Literal:
        return " or ".join(f'`"{value}"`' for value in get_args(hint))
    if get_origin(hint) in (Union, UnionType):
        return " or ".join("null" if part is type(None) else _type(part) for part in get_args(hint))
    if get_origin(hint) is list:
        return f"list of {_type(get_args(hint)[0])}"
    if get_origin(hint) is dict:
        value = get_args(hint)[1]
        return "map" if value is Any else f"map to {_type(value)}"
    return str(hint.__name__)


def _section(name: str, table: Any) -> str:
    assert isinstance(table, type)
    assert issubclass(table, BaseModel)
    rows = []
    for key, field in table.model_fields.items():
        value = (
            "must be given"
            if field.is_required()
            else f"`{_toml(field.default)}`"
            if field.default not in ("", None)
            else "none"
        )
        limits = [
            re.sub(r"^(\w+)\(\w+=(.*)\)$", r"\1 \2", repr(x))
            for x in field.metadata
            if hasattr(x, "__dataclass_fields__")
        ]
        rows.append((f"`{key}`", _limits(field.annotation, limits), value))
    said = _text(table).partition("]: ")[2]
    return f"### [{name}]\n\n{said[:1].upper()}{said[1:]}\n\n" + _table(("key", "", "default"), rows)


def _limits(hint: Any, limits: list[str]) -> str:
    words = {"Ge": "at least", "Le": "at most", "Gt": "above", "Lt": "below"}
    inner = next((x for x in get_args(hint) if get_origin(x) is Annotated), None)
    if inner is not None:
        limits = [repr(x) for part in get_args(inner)[1:] for x in getattr(part, "metadata", [])]
        limits = [re.sub(r"^(\w+)\(\w+=(.*)\)$", r"\1 \2", x) for x in limits]
        hint = get_args(inner)[0]
    said = [f"{words[kind]} {value}" for kind, _, value in (x.partition(" ") for x in limits) if kind in words]
    return ", ".join([_type(hint), *said])


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def _command(name: str, command: click.Command) -> str:
    with click.Context(command, info_name=f"streamfit {name}", max_content_width=100, terminal_width=100) as context:
        return f"### streamfit {name}\n\n```text\n{command.get_help(context)}\n```"


def _codes() -> str:
    from streamfit.protocol.control import Code

    return ", ".join(f"`{code}`" for code in get_args(Code))


def _text(thing: Any) -> str:
    return "\n".join(line.strip() for line in (thing.__doc__ or "").strip().splitlines())


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
