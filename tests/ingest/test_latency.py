"""Sendings matched with cumulative acknowledgements, and nothing kept of streams that have ended."""

from becalm_ingest.latency import AckLatency
from becalm_protocol.units import NS_PER_MS


def test_an_acknowledgement_ends_the_wait_of_all_before_it() -> None:
    latency = AckLatency()
    for seq in (1, 2, 3, 2):  # a repetition does not count
        latency.sent("a", seq=seq, sent_ns=seq * NS_PER_MS)
    latency.acked("a", seq=2, acked_ns=10 * NS_PER_MS)
    assert latency.newest_seq("a") == 3
    assert (latency.percentiles().p50_ms, latency.percentiles().p99_ms) == (8.0, 8.0)
    latency.acked("b", seq=1, acked_ns=0)  # of another agent's time


def test_a_stream_that_has_ended_leaves_nothing() -> None:
    latency = AckLatency()
    latency.sent("a", seq=5, sent_ns=0)
    latency.forget(["a", "b"])
    assert latency.newest_seq("a") == 0
    latency.acked("a", seq=5, acked_ns=NS_PER_MS)
    assert latency.percentiles().p50_ms is None
