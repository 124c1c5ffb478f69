"""A query parameter that no route has is refused: a slip such as `limt=5` would otherwise go unnoticed."""

from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from starlette.requests import HTTPConnection


def refuse_unknown_query(connection: HTTPConnection) -> None:
    """Raise RequestValidationError for a parameter that the route does not have, or one that comes twice."""
    if not connection.query_params:
        return
    dependant: Dependant | None = getattr(connection.scope.get("route"), "dependant", None)
    known = set() if dependant is None else _names(dependant)
    given = [name for name, _ in connection.query_params.multi_items()]
    expected = ", ".join(sorted(known)) or "no parameter"
    wrong = [
        {"loc": ("query", name), "msg": f"expected {expected}, each once", "type": "unknown", "input": None}
        for name in dict.fromkeys(given)
        if name not in known or given.count(name) > 1
    ]
    if wrong:
        raise RequestValidationError(wrong)


def _names(dependant: Dependant) -> set[str]:
    own = {field.alias for field in dependant.query_params}
    return own.union(*(_names(one) for one in dependant.dependencies))
