"""The numbers that examples share: one person's practice, told the same everywhere."""

from typing import Any

from pydantic import BaseModel, ConfigDict

SESSION_ID = "6f1c0b4e9d2a4c7f8e3b5a1d7c9e2f40"
STREAM_ID = "0d4f7a1e5b2c4938a6e1f0c3b7d29e84"
AGENT_ID = "b71f20c94e6d4d0c9a3e5f8d1c2b7a60"
PERSON_ID = "3c8e5d0a91f64b7e8d2c6f4a0b9e1d75"
ACCOUNT_ID = "9a41e7c2d85f4e03b6d1f7028c5ab3e9"
DEVICE_ID = "e20b6f9d7c134a58a4f3d8e1967b0c52"
GRANT_ID = "58d3a0c7e6b9412f9f0e7d4c1ab28365"
CREATED_AT = "2026-11-22T08:00:00Z"


def strict(example: dict[str, Any]) -> ConfigDict:
    """Return the configuration of a body that a request brings: nothing unknown, nothing coerced by name."""
    return ConfigDict(extra="forbid", json_schema_extra={"example": example})


def shown(example: dict[str, Any]) -> ConfigDict:
    """Return the configuration of a body that an answer brings."""
    return ConfigDict(json_schema_extra={"example": example})


def example_of(cls: Any) -> dict[str, Any]:
    """Return the example of a body."""
    extra = cls.model_config["json_schema_extra"] if issubclass(cls, BaseModel) else {}
    found: dict[str, Any] = extra["example"]
    return found
