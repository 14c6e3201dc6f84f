"""Say in words what becomes of acknowledged jobs when the server ends."""

from __future__ import annotations

from collections.abc import Iterator

from oxmq.doctor.facts import ServerFacts
from oxmq.doctor.finding import Finding, Level

_SUBJECT = "persistence"
_SECOND = (
    "a crash of the machine may lose the writes of the last 1 to 2 seconds; a crash of the server alone loses none"
)


def check_durability(facts: ServerFacts) -> Iterator[Finding]:
    """Judge persistence and replication."""
    if not facts.info:
        return
    yield _check_log(facts) if facts.info.get("aof_enabled") == "1" else _check_snapshots(facts)
    yield from _check_last_writes(facts)
    yield from _check_replicas(facts)


def _check_log(facts: ServerFacts) -> Finding:
    policy = facts.config.get("appendfsync")
    if policy == "always":
        return Finding(Level.OK, _SUBJECT, "every write is on disk before it is acknowledged: no crash loses a job")
    if policy == "no":
        why = "a crash of the machine may lose the writes of the last 30 seconds or so"
        fix = _settings(facts, ("appendfsync", "everysec"))
        return Finding(Level.WARNING, _SUBJECT, "append-only file, flushed when the system pleases", why, fix)
    if policy is None:
        what = f"append-only file (how often it is flushed could not be read). By default once a second: {_SECOND}"
        return Finding(Level.OK, _SUBJECT, what)
    return Finding(Level.OK, _SUBJECT, f"append-only file, flushed every second: {_SECOND}")


def _check_snapshots(facts: ServerFacts) -> Finding:
    rules = facts.config.get("save")
    fix = _settings(facts, ("appendonly", "yes"))
    if rules is None:
        what = "no append-only file; whether snapshots are made could not be read"
        why = "a crash loses what came after the last snapshot, or everything if there are none"
    elif rules:
        what = f"snapshots only ({_rules_in_words(rules)})"
        why = "a crash loses every job that was added, and forgets every result, after the last snapshot"
    else:
        what = "nothing is written to disk"
        why = "when the server ends, for whatever reason, all jobs are lost"
    return Finding(Level.WARNING, _SUBJECT, what, why, fix)


def _rules_in_words(rules: str) -> str:
    words = rules.split()
    pairs = zip(words[::2], words[1::2], strict=False)
    return ", or ".join(f"after {seconds} s with {changes} writes" for seconds, changes in pairs)


def _check_last_writes(facts: ServerFacts) -> Iterator[Finding]:
    for name, what in (
        ("aof_last_write_status", "the last write to the append-only file failed"),
        ("aof_last_bgrewrite_status", "the last rewrite of the append-only file failed"),
        ("rdb_last_bgsave_status", "the last snapshot failed"),
    ):
        if facts.info.get(name, "ok") != "ok":
            why = "the disk may be full or not writable; the server may refuse all writes, and so every new job"
            fix = ("see the server's log and free some disk space",)
            yield Finding(Level.ERROR, _SUBJECT, what, why, fix)


def _check_replicas(facts: ServerFacts) -> Iterator[Finding]:
    replicas = facts.number("connected_slaves")
    if not replicas:
        return
    what = f"{replicas} replica{'s' * (replicas > 1)}, which get each write after it was acknowledged"
    least = facts.config.get("min-replicas-to-write", "")
    if least.isdigit() and int(least):
        yield Finding(Level.OK, "replication", f"{what}; writes are refused with fewer than {least} of them in touch")
        return
    why = "a failover loses the writes that no replica had yet; cut off from them, the server takes writes in vain"
    fix = _settings(facts, ("min-replicas-to-write", "1"))
    yield Finding(Level.WARNING, "replication", what, why, fix)


def _settings(facts: ServerFacts, *settings: tuple[str, str]) -> tuple[str, ...]:
    """Return the commands that change settings, now and for good."""
    commands = (facts.command("CONFIG", "SET", name, value) for name, value in settings)
    return (*commands, facts.command("CONFIG", "REWRITE"))
