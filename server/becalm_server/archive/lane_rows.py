"""What keeps a pipeline going over a restart, to columns of its tables."""

import json
from typing import Any

from becalm_protocol.derived import PIPELINE_VERSION
from becalm_protocol.wishes import BreathWish
from becalm_server.lane_messages import LiveState


def wish_row(wish: BreathWish) -> dict[str, Any]:
    """Return the columns of a wish."""
    return {"t_ns": wish.t_ns, "source": None if wish.source is None else wish.source.value}


def state_row(session_id: str, state: LiveState) -> dict[str, Any]:
    """Return the columns of a state."""
    return {
        "session_id": session_id,
        "arrival_idx": state.arrival_idx,
        "newest_ns": state.newest_ns,
        "seqs": json.dumps(state.seqs),
        "pipeline_version": PIPELINE_VERSION,
        "code_sha256": state.code_sha256,
        "body": state.body,
    }
