"""Strict conversion between plain JSON mappings and frozen dataclasses.

Every configuration of the project passes through here, so that a misspelt key is an error that names the
nearest valid one, whichever file or flag it came from. pydantic 2.14 and msgspec 0.22 were tried on these
dataclasses: both let unknown keys of plain dataclasses pass, neither names the nearest valid one, and pydantic takes
0.1 s to build the schema of one task.
"""

import dataclasses
import difflib
import re
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from app.errors import UsageError, require

T = TypeVar("T")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=-]*")
NUM_NAME_BYTES = 200
"""Most file systems take 255; files beside a folder add to its name."""


def nearest(name: str, valid: list[str]) -> str:
    """The end of an error message: the nearest valid name, or all of them."""
    by_folded = {v.casefold(): v for v in valid}
    close = difflib.get_close_matches(name.casefold(), list(by_folded), n=1)
    return f"did you mean {by_folded[close[0]]!r}?" if close else f"valid: {', '.join(sorted(valid))}"


def require_folder_name(name: str) -> None:
    """Raises UsageError unless a folder can have this name, on every system and in every command line."""
    wanted = "letters, digits and . _ + = -, the first a letter or digit (it names a folder)"
    require(_NAME.fullmatch(name) is not None, "name", name, wanted)
    if len(name) > NUM_NAME_BYTES:
        raise UsageError(f"name: got {len(name)} bytes ({name[:40]}...), expected {NUM_NAME_BYTES} at most")


def from_dict(cls: type[T], values: Mapping[str, Any], where: str = "") -> T:
    """Build the frozen dataclass `cls` from plain JSON values.

    Raises:
        UsageError: an unknown or missing key, or a value of the wrong type; names the key's whole path.
    """
    if not isinstance(values, Mapping):
        raise UsageError(f"{where or cls.__name__}: got {values!r}, expected a mapping of {cls.__name__}'s fields")
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}  # type: ignore[arg-type]
    prefix = f"{where}." if where else ""
    for key in values:
        if key not in fields:
            raise UsageError(f"unknown key {prefix + str(key)!r}: {nearest(str(key), list(fields))}")
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in values:
            raise UsageError(f"missing key {prefix + name!r} of {cls.__name__}")
    converted = {key: _convert(hints[key], value, prefix + key) for key, value in values.items()}
    try:
        return cls(**converted)
    except ValueError as error:  # the dataclass checks itself; it does not know where it stands
        raise UsageError(f"{where}: {error}" if where else str(error)) from error


def to_dict(value: Any) -> Any:
    """Plain JSON values of a dataclass, such that from_dict gives it back: what is not given to the constructor is
    left out, nested dataclasses become dicts, tuples become lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_dict(getattr(value, f.name)) for f in dataclasses.fields(value) if f.init}
    if isinstance(value, Mapping):
        return {str(k): to_dict(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [to_dict(v) for v in value]
    return value


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin in (Union, types.UnionType):
        return _convert_union(args, value, where)
    if origin is Literal:
        if not any(value == a and type(value) is type(a) for a in args):
            raise UsageError(f"{where}: got {value!r}; {nearest(str(value), [str(a) for a in args])}")
        return value
    if origin in (tuple, list):
        return _convert_sequence(origin, args, value, where)
    if origin is not None and issubclass(origin, Mapping):
        return _convert_mapping(args, value, where)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return value if isinstance(value, hint) else from_dict(hint, value, where)
    assert isinstance(hint, type), f"{where}: from_dict does not know the type {hint}"
    return _convert_plain(hint, value, where)


def _convert_plain(hint: type, value: Any, where: str) -> Any:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise UsageError(f"{where}: got {_seen(value)}, expected {_wanted(hint)}")
    return value


def _convert_union(args: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in args:
        return None
    options = [a for a in args if a is not type(None)]
    if isinstance(value, Mapping):  # meant as the one that has most of its keys: the others' errors are noise
        shared = [len(value.keys() & getattr(a, "__dataclass_fields__", {}).keys()) for a in options]
        options = [a for a, num in zip(options, shared, strict=True) if num == max(shared)]
    # An exact match comes first, so that 3 stays an int where both int and float are allowed.
    options.sort(key=lambda a: a is not type(value))
    errors = []
    for option in options:
        try:
            return _convert(option, value, where)
        except ValueError as error:
            errors.append(str(error))
    if all(isinstance(o, type) and not dataclasses.is_dataclass(o) for o in options):
        raise UsageError(f"{where}: got {_seen(value)}, expected {' or '.join(_wanted(a) for a in args)}")
    raise UsageError("; or ".join(errors))


def _convert_sequence(origin: Any, args: tuple[Any, ...], value: Any, where: str) -> Any:
    if not isinstance(value, list | tuple):
        raise UsageError(f"{where}: got {_seen(value)}, expected a list")
    if origin is list or args[1:] == (Ellipsis,):
        return origin(_convert(args[0], v, f"{where}[{i}]") for i, v in enumerate(value))
    if len(value) != len(args):
        raise UsageError(f"{where}: got {len(value)} values, expected {len(args)}")
    return tuple(_convert(a, v, f"{where}[{i}]") for i, (a, v) in enumerate(zip(args, value, strict=True)))


def _convert_mapping(args: tuple[Any, ...], value: Any, where: str) -> dict[Any, Any]:
    if not isinstance(value, Mapping):
        raise UsageError(f"{where}: got {_seen(value)}, expected a mapping")
    hint = args[1] if args else Any
    return {key: _convert(hint, v, f"{where}.{key}") for key, v in value.items()}


def _seen(value: Any) -> str:
    return "null" if value is None else f"{value!r} ({type(value).__name__})"


def _wanted(hint: type) -> str:
    return "null" if hint is type(None) else hint.__name__
