"""FastAPI whose document is whole: the one shape of all refusals, and examples that hold what is null."""

from typing import Any

from fastapi import FastAPI
from starlette.routing import compile_path

from becalm_server.access.gate import describe
from becalm_server.bodies.problems import ProblemDetails

_REF = "#/components/schemas/{model}"


class DocumentedApp(FastAPI):
    """FastAPI leaves nulls out of its document, and does not know bodies of exception handlers."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        if self.openapi_schema is None:
            document = super().openapi()
            schemas = document["components"]["schemas"]
            problem = ProblemDetails.model_json_schema(ref_template=_REF)
            schemas |= problem.pop("$defs") | {"ProblemDetails": problem}
            describe(document)
            for schema in schemas.values():
                if "example" in schema:
                    schema["example"] = _with_nulls(schema["example"], schema, schemas=schemas)
        return super().openapi()

    def methods_of(self, path: str) -> list[str]:
        """Return every method that a path knows; a route by itself knows only its own."""
        paths: dict[str, dict[str, Any]] = self.openapi()["paths"]
        known = paths.get(path) or next(
            (methods for template, methods in paths.items() if compile_path(template)[0].match(path)), {}
        )
        return sorted(method.upper() for method in known)


def _with_nulls(example: Any, schema: dict[str, Any], *, schemas: dict[str, Any]) -> Any:
    """Return an example with every required field that it has not: they are null."""
    schema = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    if isinstance(example, list):
        return [_with_nulls(one, schema.get("items", {}), schemas=schemas) for one in example]
    if not isinstance(example, dict) or "properties" not in schema:
        return example
    fields = schema["properties"]
    told = {name: _with_nulls(one, fields.get(name, {}), schemas=schemas) for name, one in example.items()}
    return dict.fromkeys(schema.get("required", ())) | told
