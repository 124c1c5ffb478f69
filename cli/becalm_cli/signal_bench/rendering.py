"""JSON for eyes: what fits on a line stands on a line."""

import json
from typing import Any

MAX_CHARS = 116


def rendered(content: Any, *, depth: int = 0) -> str:
    """Return JSON text, indented, its small objects and lists in one line each."""
    line = json.dumps(content)
    if not isinstance(content, dict | list) or not content or len(line) + 2 * depth <= MAX_CHARS:
        return line
    indent = "  " * (depth + 1)
    if isinstance(content, dict):
        parts = [f"{json.dumps(str(name))}: {rendered(item, depth=depth + 1)}" for name, item in content.items()]
    else:
        parts = [rendered(item, depth=depth + 1) for item in content]
    left, right = "{}" if isinstance(content, dict) else "[]"
    return f"{left}\n{indent}" + f",\n{indent}".join(parts) + f"\n{'  ' * depth}{right}"
