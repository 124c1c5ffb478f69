"""Which pipeline's derived values are shown where several have left some."""

from collections.abc import Iterable

from becalm_protocol.derived import PIPELINE_VERSION


def newest_version(versions: Iterable[str]) -> str:
    """Return today's pipeline where it has run, the last one that ran where not."""
    known = sorted(versions, key=lambda text: (len(text), text))
    return PIPELINE_VERSION if PIPELINE_VERSION in known or not known else known[-1]
