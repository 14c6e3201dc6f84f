"""Say in words how a program ended."""

from __future__ import annotations

from typing import Final

from oxmq.kubernetes.diagnosis.pod_state import Ended
from oxmq.kubernetes.diagnosis.quotes import quote

#: The signals of Linux, which pods run on whatever the worker runs on.
_SIGNALS: Final = {
    1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE",
    9: "SIGKILL", 10: "SIGUSR1", 11: "SIGSEGV", 12: "SIGUSR2", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM",
    24: "SIGXCPU", 25: "SIGXFSZ", 31: "SIGSYS",
}  # fmt: skip


def exit_words(ended: Ended) -> str:
    """Say how a container ended, to go on after its name."""
    code = ended.code
    number = ended.signal or (code - 128 if code is not None and 128 < code <= 128 + 64 else None)
    if number is not None:
        return f"was killed by {_SIGNALS.get(number, f'signal {number}')} ({exit_facts(ended)})"
    return "ended without an exit code" if code is None else f"exited with code {code}"


def exit_facts(ended: Ended) -> str:
    """Return the runtime's reason, where it says anything, and the exit code."""
    reason = "" if ended.reason in ("", "Error", "Completed") else f"{quote(ended.reason, 80)}, "
    return f"{reason}exit code {ended.code}" if ended.code is not None else f"{reason}no exit code"
