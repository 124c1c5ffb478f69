"""`/v1/asyncapi.json`: the two WebSockets, for programs that write or check programs."""

from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Request

from becalm_protocol.asyncapi import document

router = APIRouter(prefix="/v1", include_in_schema=False)


@router.get("/asyncapi.json")
async def asyncapi(request: Request) -> dict[str, Any]:
    """Return the AsyncAPI document of this server."""
    return document(version=version("becalm"), host=request.url.netloc)
