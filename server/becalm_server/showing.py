"""Which session clients see that chose none, where another one comes."""

from becalm_protocol.handshake import SessionPhase
from becalm_server.agents import Agents
from becalm_server.session import Session


def stays_shown(shown: Session | None, *, comes: Session, agents: Agents) -> bool:
    """Tell whether clients go on watching a session: one that is alive, is asked for, or is younger."""
    if shown is None or shown is comes:
        return False
    asked_for = shown.phase is SessionPhase.WAITING and agents.owner(shown.record) is not None
    carrier = agents.carrier(shown.record)
    elsewhere = carrier is not None and carrier is not agents.carrier(comes.record)
    younger = (shown.record.started_unix_ns or 0) > (comes.record.started_unix_ns or 0)
    return asked_for or elsewhere or younger
