"""The account of a run: what the sensors sent, the agent took and the database holds, stream by stream."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from becalm_cli.asking import ask
from becalm_cli.meter import LiveMeter

Counts = dict[str, Any]
KINDS = ("ecg", "rr", "respiration", "skin_conductance")
"""Signals without which a loop is not closed; others count where a sensor has them."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """One run in numbers; `closed` is True when the loop closed and nothing was lost or doubled."""

    samples: dict[str, Counts]
    """For each signal: sent (by the sensor), received (agent), stored (database); RR counts intervals."""
    live: dict[str, Any]
    errors: list[str] = field(default_factory=list)

    @property
    def lost(self) -> int:
        """Samples that a sensor sent and the database does not hold."""
        return sum(max(0, row["sent"] - row["stored"]) for row in self.samples.values())

    @property
    def duplicated(self) -> int:
        """Samples that the database holds and no sensor sent."""
        return sum(max(0, row["stored"] - row["sent"]) for row in self.samples.values())

    @property
    def closed(self) -> bool:
        """Whether every signal flowed from sensor to client and all of it is stored once."""
        flowed = all(row["sent"] > 0 for row in self.samples.values())
        return (
            flowed and self.live["frames"].get("Metrics", 0) > 0 and not (self.lost or self.duplicated or self.errors)
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object that `becalm demo --json` prints."""
        beats = self.samples["rr"]
        return {
            "closed": self.closed,
            "samples": {kind: row for kind, row in self.samples.items() if kind != "rr"},
            "beats": beats,
            "lost": self.lost,
            "duplicated": self.duplicated,
            **self.live,
            "errors": self.errors,
        }

    def in_words(self) -> str:
        """Return the account in a few sentences for a person."""
        stored = sum(row["stored"] for row in self.samples.values())
        if not stored:
            return "\n".join(["Nothing was recorded.", *self.errors])
        whole = not (self.lost or self.duplicated)
        kept = "nothing lost, nothing doubled" if whole else f"{self.lost} lost, {self.duplicated} doubled"
        return "\n".join([self._ebb(), f"{stored} samples and intervals stored: {kept}.", *self.errors])

    def _ebb(self) -> str:
        start, end = (self.live["arousal"][moment].get("value") for moment in ("start", "end"))
        if start is None or end is None:
            return "Arousal was not shown yet: it needs a first quiet minute."
        return f"Arousal went from {start:.0f} to {end:.0f} (50 is this person's first minute)."


def close_account(
    *,
    demo_wall_s: float,
    meter: LiveMeter,
    counts: Counts,
    agent: Counts,
    person: Counts,
    errors: list[str],
    first_feedback_s: float | None,
) -> Account:
    """Put the reports of the parts side by side."""
    return Account(
        samples={
            kind: {
                "sent": person.get("sent", {}).get(kind, 0),
                "received": agent.get("received", {}).get(kind, 0),
                "stored": counts.get("stored", {}).get(kind, 0),
            }
            for kind in dict.fromkeys((*KINDS, *person.get("sent", {})))
        },
        live={
            "gaps": counts.get("n_gaps", 0),
            "dropped": counts.get("n_dropped", 0),
            "arousal": meter.arousal(),
            "true_arousal": person.get("true_arousal"),
            "age_ms": meter.ages_ms(),
            "commit_ack_ms": agent.get("commit_ack_ms"),
            "first_feedback_s": first_feedback_s,
            "demo_wall_s": demo_wall_s,
            "frames": dict(meter.frames),
        },
        errors=errors,
    )


def fetch_counts(url: str, session_ids: Sequence[str]) -> Counts:
    """Return the server's own count of what it stored for these sessions. Raises OSError when it cannot be asked."""
    total: Counts = {"stored": Counter(), "n_gaps": 0, "n_dropped": 0}
    for session_id in session_ids:
        try:
            counts = json.loads(ask(f"{url}/v1/sessions/{session_id}/counts"))
        except (OSError, ValueError) as exc:
            raise OSError(f"the server did not tell its counts: {exc}") from exc
        total["stored"].update(counts["stored"])
        total["n_gaps"] += counts["n_gaps"]
        total["n_dropped"] += counts["n_dropped"]
    return total
