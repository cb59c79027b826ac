"""Whether topics can be read without loss, and what to do where they cannot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from indelible.base.errors import IndelibleError
from indelible.base.limits import KAFKA_RETENTION_DAYS
from indelible.ingest.protocols.findings import ERROR, FINE, LEVELS, WARNING, Finding
from indelible.ingest.protocols.kafka_log import Keeps, Log, Seen
from indelible.ingest.protocols.kafka_settings import Options

_DAY_MS: Final = 86_400_000


def check(options: Options, secret: bytes) -> list[Finding]:
    """Connect, ask and judge; blocking. What keeps us out is a finding, too."""
    try:
        log = Log(options, secret, "check")
    except IndelibleError as error:
        return [_finding(ERROR, "options", error.message, error.remedy)]
    try:
        seen = log.look()
        return findings(seen, log.kept_for(seen.topics) if seen.topics else {}, options)
    except IndelibleError as error:
        return [_finding(ERROR, "brokers", error.message, error.remedy)]
    finally:
        log.close()


def findings(seen: Seen, keeps: Mapping[str, Keeps], options: Options) -> list[Finding]:
    """Every remark, the gravest first: pure."""
    found = [*_brokers(seen, options), *_topics(seen, options), *_cleaning(keeps)]
    return sorted(found, key=lambda one: LEVELS.index(one.level))


def _finding(level: str, about: str, text: str, remedy: str = "") -> Finding:
    return Finding(level=level, about=about, text=text, remedy=remedy)


def _brokers(seen: Seen, options: Options) -> Iterator[Finding]:
    yield _finding(FINE, "brokers", f"the brokers of the cluster {seen.cluster or '?'} answer")
    if options.remote and not options.tls:
        what = "the password and the records come" if options.sasl == "PLAIN" else "records come"
        yield _finding(
            WARNING, "tls", f"{what} in clear over the network",
            "Add --option tls=on (and ca=FILE), with the brokers' TLS port.",
        )


def _topics(seen: Seen, options: Options) -> Iterator[Finding]:
    level = WARNING if seen.ends else ERROR
    for trouble in seen.troubles:
        yield _finding(
            level, "topics", trouble,
            "Make it, or let the user DESCRIBE and READ it; it is looked for all the time.",
        )
    for name, ident in seen.topics.items():
        ends = [one for place, one in seen.ends.items() if place.topic == name]
        if not ends:
            continue
        count = sum([one.high - one.low for one in ends])
        text = f"topic {name}: {len(ends):,} partitions, {count:,} offsets there"
        if options.start == "latest":
            text += ", of which none is read where it was never read before"
        yield _finding(FINE, "topics", text)
        if not ident:
            yield _finding(
                WARNING, "topics", f"topic {name} has no id: whether it was deleted and made again"
                " is noticed only where it has become shorter",
            )


def _cleaning(keeps: Mapping[str, Keeps]) -> Iterator[Finding]:
    for name, kept in keeps.items():
        if "compact" in kept.policy:
            yield _finding(
                WARNING, "cleanup.policy", f"topic {name} is compacted: of several records with one"
                " key the brokers may remove the earlier ones before they are read, and nobody can"
                " tell",
                f"kafka-configs.sh --alter --entity-type topics --entity-name {name}"
                " --add-config cleanup.policy=delete",
            )
        if "delete" not in kept.policy or kept.milliseconds < 0:
            yield _finding(FINE, "retention.ms", f"topic {name} deletes nothing for its age")
            continue
        days = kept.milliseconds / _DAY_MS
        short = kept.milliseconds < KAFKA_RETENTION_DAYS * _DAY_MS
        yield _finding(
            WARNING if short else FINE, "retention.ms",
            f"topic {name} deletes records after {days:,.1f} days: Indelible must not be away for"
            " longer",
            f"kafka-configs.sh --alter --entity-type topics --entity-name {name}"
            f" --add-config retention.ms={7 * _DAY_MS}" if short else "",
        )
