"""Apache Kafka with TLS, client certificates, SCRAM and PLAIN: who is let in, and what is said."""

from __future__ import annotations

import shlex
from pathlib import Path

from indelible.ingest.protocols import kafka_check
from indelible.ingest.protocols.findings import ERROR, FINE, Finding
from indelible.ingest.protocols.kafka_settings import options_of
from support.apache import Apache
from support.authority import Authority
from support.kafka import send
from support.senders import block, eventually
from support.served import Place, Server
from support.shipping import counts_of, events

PASSWORD = "correct-horse-battery"
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"


def broker(work: Path, authority: Authority, name: str, protocol: str, **more: str) -> Apache:
    """A broker with a certificate, of whose clients some are known by password."""
    certificate = authority.issue(name)
    store = work / f"{name}-store.pem"
    store.write_text(certificate.with_suffix(".key").read_text() + certificate.read_text())
    at = "listener.name.outer."
    return Apache(work / name, protocol=protocol, **{
        f"{at}ssl.keystore.type": "PEM", f"{at}ssl.keystore.location": str(store),
        f"{at}ssl.truststore.type": "PEM", f"{at}ssl.truststore.location": str(authority.path),
        f"{at}sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        f"{at}plain.sasl.jaas.config": f'{_PLAIN} user_indelible="{PASSWORD}";',
        f"{at}scram-sha-256.sasl.jaas.config": _SCRAM,
        f"{at}scram-sha-512.sasl.jaas.config": _SCRAM, **more,
    })


def run_secured(work: Path) -> dict[str, int]:
    """How many ways in were tried."""
    (work / "ca").mkdir(parents=True)
    (work / "others").mkdir()
    authority, others = Authority(work / "ca"), Authority(work / "others")
    apache = broker(work, authority, "passwords", "SASL_SSL", **{
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
    })
    apache.format(*[word for kind in ("SCRAM-SHA-256", "SCRAM-SHA-512") for word in
                    ("--add-scram", f"{kind}=[name=indelible,password={PASSWORD}]")])
    tried = 0
    with apache:
        apache.make("audit-log")
        send(apache.inner, "audit-log", [b'{"user": "alice", "action": "login"}'])
        said = {"tls": "on", "ca": str(authority.path), "sasl": "PLAIN", "user": "indelible"}
        assert "uthorization" in _found(apache, said, PASSWORD)[0].text
        for line in block("kafka", "kafka-acls").replace("\\\n", " ").splitlines():
            apache.allow("indelible", line)
        for kind in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"):
            said = {"tls": "on", "ca": str(authority.path), "sasl": kind, "user": "indelible"}
            assert _level(apache, said, PASSWORD) == FINE
            [wrong] = _found(apache, said, "wrong-horse")
            assert wrong.level == ERROR, wrong
            assert "uthentication" in wrong.text, wrong
            tried += 2
        [foreign] = _found(apache, {**said, "ca": str(others.path)}, PASSWORD)
        assert "certificate verify failed" in foreign.text, foreign
        _served(work, apache, authority)
    mutual = broker(work, authority, "certificates", "SSL",
                    **{"listener.name.outer.ssl.client.auth": "required"})
    with mutual:
        mutual.make("audit-log")
        mine = authority.issue("indelible")
        own = {"tls": "on", "ca": str(authority.path), "certificate": str(mine),
               "key": str(mine.with_suffix(".key"))}
        assert _level(mutual, own, "") == FINE
        [bare] = _found(mutual, {"tls": "on", "ca": str(authority.path)}, "")
        assert bare.level == ERROR, bare
    return {"logins": tried + 3}


def _found(apache: Apache, said: dict[str, str], password: str) -> list[Finding]:
    options = options_of({"brokers": apache.brokers, "topics": "audit-log", **said})
    found = kafka_check.check(options, password.encode())
    if found[0].level != ERROR:
        assert any(one.about == "retention.ms" for one in found), "it may not see the settings"
    assert not any(PASSWORD in one.text for one in found)
    return found


def _level(apache: Apache, said: dict[str, str], password: str) -> str:
    found = _found(apache, said, password)
    return next(one.level for one in found if "audit-log" in one.text)


def _served(work: Path, apache: Apache, authority: Authority) -> None:
    """The command of the documentation; a wrong password is told, and the right one in no log."""
    (work / "house").mkdir()
    place = Place(work / "house").init()
    (work / "kafka.password").write_text("wrong-horse\n")
    text = block("kafka", "kafka-secure").replace("\\\n", " ")
    for old, new in {
        "kafka1.example.org:9093": apache.brokers, "kafka.password": str(work / "kafka.password"),
        "/etc/indelible/kafka-ca.pem": str(authority.path),
    }.items():
        assert old in text, old
        text = text.replace(old, new)
    words = [*shlex.split(text)[1:], "--option", "group=indelible", "--data", str(place.data)]
    place.cli(*words)
    with Server(place) as server:
        eventually(lambda: "uthentication" in counts_of(server, "audit")["figures"].get(
            "trouble", ""), 60.0)
    (work / "kafka.password").write_text(f"{PASSWORD}\n")
    place.cli(*words, "--replace")
    with Server(place) as server:
        eventually(lambda: counts_of(server, "audit")["stored"] == 1, 60.0)
        eventually(lambda: "trouble" not in counts_of(server, "audit")["figures"], 30.0)
        eventually(lambda: counts_of(server, "audit")["figures"].get("behind") == "0 offsets")
        [event] = events(server, "source:audit")
        assert event["via"]["tls"] == "server", event["via"]
        arguments = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in server.pids("collector")]
    assert not any(PASSWORD.encode() in one for one in arguments)
    assert PASSWORD not in (place.root / "serve.log").read_text()
