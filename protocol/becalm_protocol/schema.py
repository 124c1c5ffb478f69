"""JSON Schema (draft 7) of every type of the wire, read off the types themselves with what their fields mean."""

import ast
import inspect
import itertools
import textwrap
import types
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

from becalm_protocol import limits
from becalm_protocol.plain import TYPES, tag_of

Schema = dict[str, Any]

_TAGGED = frozenset(TYPES.values())
_SCALARS: dict[Any, Schema] = {
    bool: {"type": "boolean"},
    int: {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
    float: {"type": "number"},
    str: {"type": "string"},
}


def schemas() -> dict[str, Schema]:
    """Return the schema of each type by its name; they refer to each other under `#/components/schemas/`."""
    found: dict[str, Schema] = {}
    waiting = list(TYPES.values())
    while waiting:
        cls = waiting.pop()
        if cls.__name__ in found:
            continue
        found[cls.__name__] = _of_dataclass(cls)
        waiting += [used for hint in get_type_hints(cls).values() for used in _dataclasses_in(hint)]
    return dict(sorted(found.items()))


def reference(cls: type) -> Schema:
    """Return what points to the schema of a type."""
    return {"$ref": f"#/components/schemas/{cls.__name__}"}


def summary(cls: type) -> str:
    """Return what a type is, in one sentence."""
    return (inspect.getdoc(cls) or "").partition("\n")[0]


def _of_dataclass(cls: type) -> Schema:
    hints, meanings = get_type_hints(cls), _meanings(cls)
    properties: dict[str, Schema] = {"type": {"const": tag_of(cls)}} if cls in _TAGGED else {}
    required = list(properties)
    for field in fields(cls):
        schema = _of_hint(hints[field.name])
        meaning = meanings.get(field.name)
        if meaning:  # beside a $ref, draft 7 reads nothing else
            schema = (
                {"allOf": [schema], "description": meaning} if "$ref" in schema else schema | {"description": meaning}
            )
        properties[field.name] = schema
        if field.default is MISSING and field.default_factory is MISSING:
            required.append(field.name)
    return {"type": "object", "description": inspect.getdoc(cls), "properties": properties, "required": required}


def _of_hint(hint: Any) -> Schema:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        members = [member for member in arguments if member is not type(None)]
        if len(members) == 1:
            return _of_hint(members[0])
        return {"oneOf": [_of_hint(member) for member in members], "discriminator": "type"}
    if origin is tuple:
        return {"type": "array", "items": _of_hint(arguments[0]), "maxItems": limits.MAX_SAMPLES_PER_BLOCK}
    if origin is dict:
        return {"type": "object", "additionalProperties": _of_hint(arguments[1])}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"type": "string", "enum": [member.value for member in hint]}
    if is_dataclass(hint):
        return reference(cast("type", hint))
    return dict(_SCALARS[hint])


def _dataclasses_in(hint: Any) -> list[type]:
    inner = [cls for argument in get_args(hint) for cls in _dataclasses_in(argument)]
    return [*inner, cast("type", hint)] if is_dataclass(hint) else inner


def _meanings(cls: type) -> dict[str, str]:
    """Return the sentences under the fields of a class; none where its source is not at hand."""
    try:
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    except (OSError, SyntaxError):
        return {}
    lines = body.body if isinstance(body, ast.ClassDef) else []
    return {
        line.target.id: " ".join(below.value.value.split())
        for line, below in itertools.pairwise(lines)
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str)
    }
