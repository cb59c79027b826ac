"""What `/metrics` says, in the Prometheus text format: one table, counted in plain integers.

`docs/reference/metrics.md` is checked against `METRICS`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from indelible.ingest.submission import SubmitResult
from indelible.server.rooms import Readiness, Status

SECONDS_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metric(NamedTuple):
    """One row of the table."""

    type: str
    help: str
    labels: tuple[str, ...] = ()


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "indelible_events_accepted_total": Metric(
            "counter", "Events answered as stored durably, without duplicates."
        ),
        "indelible_events_duplicate_total": Metric(
            "counter", "Events whose id and content were stored before."
        ),
        "indelible_events_conflict_total": Metric(
            "counter", "Events stored under an id that bore other content."
        ),
        "indelible_events_rejected_total": Metric(
            "counter", "Events refused because they break the schema."
        ),
        "indelible_events_summarised_total": Metric(
            "counter", "Events that the audit policy rolled up."
        ),
        "indelible_events_dropped_by_rule_total": Metric(
            "counter", "Events that the audit policy dropped."
        ),
        "indelible_ingest_bytes_total": Metric(
            "counter", "Bytes of event requests after decompression."
        ),
        "indelible_requests_total": Metric(
            "counter", "Requests answered.", ("route", "status")
        ),
        "indelible_request_seconds": Metric(
            "histogram", "Seconds from request to answer; streams until they begin.", ("route",)
        ),
        "indelible_tail_streams": Metric("gauge", "Live tails that are open."),
        "indelible_log_size": Metric("gauge", "Entries in the log."),
        "indelible_published_size": Metric("gauge", "Entries under the newest checkpoint."),
        "indelible_sealed_size": Metric("gauge", "Entries in sealed segments."),
        "indelible_unsealed_events": Metric("gauge", "Events that only the journal holds."),
        "indelible_queued_events": Metric("gauge", "Events waiting for the sequencer."),
        "indelible_unwitnessed_events": Metric("gauge", "Events that no witness has cosigned."),
        "indelible_unwitnessed_seconds": Metric(
            "gauge", "Age of the oldest event that no witness has cosigned."
        ),
        "indelible_bytes": Metric("gauge", "Bytes on disk.", ("kind",)),
        "indelible_disk_free_bytes": Metric("gauge", "Free bytes where the data folder lies."),
        "indelible_witness_age_seconds": Metric(
            "gauge", "Age of a witness's newest cosignature.", ("witness",)
        ),
        "indelible_ready": Metric("gauge", "1 when /readyz says 200."),
        "indelible_damaged": Metric("gauge", "Findings of damage that stand."),
    }
)

_Labels = tuple[str, ...]


class _Histogram:
    def __init__(self) -> None:
        self.buckets = [0] * (len(SECONDS_BUCKETS) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        self.buckets[bisect_left(SECONDS_BUCKETS, value)] += 1
        self.sum += value


class Metrics:
    """The server's own counts, kept by one event loop; `render` adds the ledger's state."""

    def __init__(self) -> None:
        self.accepted = 0
        self.duplicates = 0
        self.conflicts = 0
        self.rejected = 0
        self.summarised = 0
        self.dropped_by_rule = 0
        self.ingest_bytes = 0
        self.tails = 0
        self._requests: dict[tuple[str, int], int] = {}
        self._seconds: dict[str, _Histogram] = {}

    def taken(self, events: int, result: SubmitResult) -> None:
        """Count what became of the events of a request."""
        apart = len(result.summarised) + len(result.dropped_by_rule)
        self.accepted += events - len(result.duplicates) - apart
        self.duplicates += len(result.duplicates)
        self.conflicts += len(result.conflicts)
        self.summarised += len(result.summarised)
        self.dropped_by_rule += len(result.dropped_by_rule)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count one answer of `route` (a path template, so that there are few)."""
        key = (route, status)
        self._requests[key] = self._requests.get(key, 0) + 1
        found = self._seconds.get(route)
        if found is None:
            found = self._seconds[route] = _Histogram()
        found.add(seconds)

    def render(self, status: Status, readiness: Readiness) -> str:
        """The whole text."""
        values = self._own()
        values.update(_ledger(status, readiness))
        lines: list[str] = []
        for name, metric in METRICS.items():
            lines.append(f"# HELP {name} {metric.help}")
            lines.append(f"# TYPE {name} {metric.type}")
            if metric.type == "histogram":
                lines.extend(self._histograms(name))
                continue
            for labels, value in values.get(name, {}).items():
                lines.append(f"{name}{_labels(metric.labels, labels)} {_number(value)}")
        return "\n".join(lines) + "\n"

    def _own(self) -> dict[str, dict[_Labels, float]]:
        return {
            "indelible_events_accepted_total": {(): self.accepted},
            "indelible_events_duplicate_total": {(): self.duplicates},
            "indelible_events_conflict_total": {(): self.conflicts},
            "indelible_events_rejected_total": {(): self.rejected},
            "indelible_events_summarised_total": {(): self.summarised},
            "indelible_events_dropped_by_rule_total": {(): self.dropped_by_rule},
            "indelible_ingest_bytes_total": {(): self.ingest_bytes},
            "indelible_tail_streams": {(): self.tails},
            "indelible_requests_total": {
                (route, str(code)): count for (route, code), count in self._requests.items()
            },
        }

    def _histograms(self, name: str) -> Iterable[str]:
        for route, found in self._seconds.items():
            total = 0
            for bound, count in zip((*SECONDS_BUCKETS, None), found.buckets, strict=True):
                total += count
                le = "+Inf" if bound is None else _number(bound)
                yield f"{name}_bucket{_labels(('route', 'le'), (route, le))} {total}"
            yield f"{name}_sum{_labels(('route',), (route,))} {found.sum:.6f}"
            yield f"{name}_count{_labels(('route',), (route,))} {total}"


def _ledger(status: Status, readiness: Readiness) -> dict[str, dict[_Labels, float]]:
    return {
        "indelible_log_size": {(): status.size},
        "indelible_published_size": {(): status.published_size},
        "indelible_sealed_size": {(): status.sealed_size},
        "indelible_unsealed_events": {(): status.unsealed},
        "indelible_queued_events": {(): status.queued},
        "indelible_unwitnessed_events": {(): status.unwitnessed_events},
        "indelible_unwitnessed_seconds": {(): status.unwitnessed_seconds},
        "indelible_bytes": {(kind,): size for kind, size in status.bytes_by_kind.items()},
        "indelible_disk_free_bytes": {(): status.disk_free_bytes},
        "indelible_witness_age_seconds": {
            (witness.name,): witness.age_seconds
            for witness in status.witnesses
            if witness.age_seconds is not None
        },
        "indelible_ready": {(): int(readiness.ready)},
        "indelible_damaged": {(): len(status.damage)},
    }


def _labels(names: _Labels, values: _Labels) -> str:
    if not names:
        return ""
    pairs = (
        f'{name}="{_escape(value)}"' for name, value in zip(names, values, strict=True)
    )
    return "{" + ",".join(pairs) + "}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
