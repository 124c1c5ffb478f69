"""Figures for the operator's Prometheus: of the machinery alone, with no label that could tell people apart."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from becalm_server.latency import Latency
from becalm_server.parts import Parts

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_REQUEST_BOUNDS_S = (0.005, 0.015, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0)


class Telemetry:
    """A registry of our own: the process, the parts as they are when asked, and every request."""

    def __init__(self, parts: Parts) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_PartsCollector(parts))
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "becalm_http_requests", "Requests answered", ("method", "route", "status"), registry=self._registry
        )
        self._request_s = Histogram(
            "becalm_http_request_seconds", "Time a request took", ("route",), buckets=_REQUEST_BOUNDS_S,
            registry=self._registry,
        )  # fmt: skip

    def request(self, *, method: str, route: str, status: int, took_s: float) -> None:
        """Count one request; `route` is its template."""
        self._requests.labels(method, route, str(status)).inc()
        self._request_s.labels(route).observe(took_s)

    def page(self) -> bytes:
        """Return all figures in Prometheus' own format."""
        return generate_latest(self._registry)


class _PartsCollector(Collector):
    """Reads the parts when it is asked: nothing is counted twice, and the sample path carries no extra weight."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        """Give the figures of the parts."""
        parts = self._parts
        writer, hub, slow_lane = parts.archive.writer, parts.hub.statistics(), parts.slow_lane.statistics()
        accepted, pipelines = parts.sessions.accept_latency, parts.lanes.statistics()
        yield CounterMetricFamily("becalm_ingest_events", "Raw events taken from agents", accepted.n_added)
        yield CounterMetricFamily("becalm_commits", "Transactions of the archive", writer.statistics()["commits"])
        for form in ("raw", "derived"):
            n_refused = writer.statistics()[f"refused_{form}"]
            yield CounterMetricFamily(f"becalm_refused_{form}", f"Rows ({form}) that the database refused", n_refused)
        yield _histogram("becalm_accept_seconds", "From an event through the pipeline to all outboxes", accepted)
        yield _histogram("becalm_ack_seconds", "From a received event to its commit", writer.commit_latency)
        yield _histogram("becalm_publish_seconds", "From publish to a client's socket", parts.hub.sent_latency)
        yield CounterMetricFamily("becalm_outbox_drops", "Waveform frames dropped for slow clients", hub["dropped"])
        yield CounterMetricFamily("becalm_outbox_conflated", "Metrics that newer ones replaced", hub["conflated"])
        yield CounterMetricFamily("becalm_slow_jobs", "Jobs of the slow lane done", slow_lane["done"])
        yield CounterMetricFamily("becalm_slow_jobs_failed", "Jobs of the slow lane that failed", slow_lane["failed"])
        yield CounterMetricFamily("becalm_pipeline_deaths", "Processes of pipelines that died", pipelines["deaths"])
        for name, meaning, number in (
            ("becalm_agents", "Agents connected", len(tuple(parts.sessions.agents.newest_first()))),
            ("becalm_clients", "Live clients connected", hub["clients"]),
            ("becalm_outbox_depth", "Frames waiting in all outboxes", hub["depth"]),
            ("becalm_writer_depth", "Writes waiting for their commit", writer.statistics()["depth"]),
            ("becalm_writer_in_trouble", "1 while nothing can be committed", int(writer.trouble is not None)),
            ("becalm_pipeline_depth", "Events waiting for their pipeline", pipelines["depth"]),
            ("becalm_pipeline_sessions", "Sessions that sit in a process of pipelines", pipelines["seats"]),
            ("becalm_slow_jobs_waiting", "Jobs waiting for the slow lane", slow_lane["depth"]),
        ):
            yield GaugeMetricFamily(name, meaning, number)


def _histogram(name: str, meaning: str, latency: Latency) -> HistogramMetricFamily:
    buckets = [("+Inf" if bound_s == float("inf") else str(bound_s), float(n)) for bound_s, n in latency.buckets()]
    return HistogramMetricFamily(name, meaning, buckets=buckets, sum_value=latency.sum_s)
