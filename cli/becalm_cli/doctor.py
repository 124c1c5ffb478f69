"""`becalm agent doctor`: what the agent needs of this machine, what it has, and what to do."""

import json
from contextlib import AsyncExitStack
from pathlib import Path

import typer

from becalm_cli.keys import token_source
from becalm_cli.parts import radio_backend
from becalm_ingest.doctor import DoctorSettings, Finding, Verdict, examine

_MARKS = {Verdict.GOOD: "good", Verdict.NOTE: "note", Verdict.BAD: "BAD "}


async def run_doctor(*, server: str, radio: str | None, data_dir: Path, as_json: bool) -> int:
    """Examine and tell; return 0 where nothing keeps an agent from its work. Raises ConfigError."""
    async with AsyncExitStack() as stack:
        backend = await radio_backend(radio, stack) if radio is not None else None
        settings = DoctorSettings(
            data_dir=data_dir / "agent", server_url=server, token=token_source(server), backend=backend
        )
        findings = await examine(settings)
    is_well = all(finding.verdict is not Verdict.BAD for finding in findings)
    if as_json:
        told = {"well": is_well, "findings": [_as_dict(finding) for finding in findings]}
        typer.echo(json.dumps(told, indent=2))
    else:
        for finding in findings:
            typer.echo(_in_words(finding))
        typer.echo("An agent can work here." if is_well else "Before an agent can work here, see to what is BAD.")
    return 0 if is_well else 1


def _as_dict(finding: Finding) -> dict[str, str | None]:
    return {
        "subject": finding.subject,
        "verdict": finding.verdict.value,
        "found": finding.found,
        "advice": finding.advice,
    }


def _in_words(finding: Finding) -> str:
    said = f"{_MARKS[finding.verdict]}  {finding.subject + ':':18} {finding.found}"
    return f"{said}\n{'':25}-> {finding.advice}" if finding.advice else said
