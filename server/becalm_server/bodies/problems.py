"""RFC 9457 problem details."""

from pydantic import BaseModel, ConfigDict, Field


class FieldProblem(BaseModel):
    """One place of a request that is not as documented."""

    field: str = Field(description="Where: query.limit, body.baseline_s ...")
    problem: str = Field(description="What was expected there")


class ProblemDetails(BaseModel):
    """Why a request was refused: one shape for every refusal (RFC 9457)."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "/problems/no-agent",
                "title": "No agent",
                "status": 409,
                "detail": "No sensors' agent is connected. Start it beside the body with: becalm agent",
            }
        }
    )
    type: str = Field(description="Stable: programs decide by it. Relative to the server, and a page that explains it")
    title: str = Field(description="The type in words")
    status: int
    detail: str = Field(description="What happened and what to do, for people")
    errors: list[FieldProblem] | None = Field(
        default=None, description="Places of a request that are not as documented"
    )
    reasons: list[str] | None = Field(default=None, description="Each cause by itself, where there may be several")
    retry_after_s: int | None = Field(default=None, description="When it may help to ask again, seconds")
