"""`python -m bench.telemetry`: what following jobs with OpenTelemetry costs, against the same without.

Each measurement is made with and without, one right after the other, every other round backwards; a figure is the
median of the ratios. Spans and metrics go to a collector in this process, which throws them away.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import median
from typing import Any

from bench.figures import Figures
from bench.server import Server, fresh_server

#: What following may cost: the least share of the throughput that is left, where few traces are sampled.
BUDGET = 0.85
#: The share of traces that is sampled, and whether it counts against the budget.
MODES = {"0": True, "0.01": True, "1": False}
#: The measurements: name, jobs, slots.
MEASUREMENTS = {
    "add, one by one": ("add_single", 10_000, 1),
    "add, 100 at a time": ("add_concurrent", 60_000, 1),
    "add, bulk": ("add_bulk", 80_000, 1),
    "process, 10 slots": ("process", 30_000, 10),
    "process, 100 slots": ("process", 50_000, 100),
}


class _Sink(BaseHTTPRequestHandler):
    """Take what comes, and forget it."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


def measure(server: Server, collector: str, name: str, sampled: str, share: float) -> Figures:
    """Return the figures of one measurement in a fresh process on an empty server."""
    measurement, jobs, slots = MEASUREMENTS[name]
    server.empty()
    words = ["--url", server.url, "--measurement", measurement, "--jobs", str(int(jobs * share))]
    environment = {**os.environ, "BENCH_SAMPLED": sampled, "BENCH_COLLECTOR": collector}
    command = [sys.executable, "-m", "bench.peers.oxmq_followed", *words, "--concurrency", str(slots)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return Figures.from_json(done.stdout.splitlines()[-1])


def measure_all(rounds: int, share: float) -> dict[tuple[str, str], list[tuple[float, float]]]:
    """Return for each measurement and mode, round by round, the jobs per second and their ratio to those without."""
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    sink = ThreadingHTTPServer(("127.0.0.1", 0), _Sink)
    threading.Thread(target=sink.serve_forever, daemon=True).start()
    with fresh_server() as server:
        for number in range(rounds):
            for name in MEASUREMENTS:
                modes = ["off", *MODES]
                rates = {
                    mode: measure(server, f"http://127.0.0.1:{sink.server_port}", name, mode, share).rate or 0.0
                    for mode in (modes if number % 2 == 0 else reversed(modes))
                }
                for mode in modes:
                    found.setdefault((name, mode), []).append((rates[mode], rates[mode] / rates["off"]))
    sink.shutdown()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one round of a quarter of the jobs: rough figures")
    arguments = parser.parse_args()
    found = measure_all(1 if arguments.quick else arguments.rounds, 0.25 if arguments.quick else 1.0)
    print(f"{'':<20} {'off':>10}" + "".join(f"{float(mode):>9.0%} sampled" for mode in MODES))
    met = True
    for name in MEASUREMENTS:
        ratios = {mode: median(ratio for _, ratio in found[name, mode]) for mode in MODES}
        met = met and all(ratios[mode] >= BUDGET for mode, counts in MODES.items() if counts)
        rate = median(rate for rate, _ in found[name, "off"])
        print(f"{name:<20} {rate:>8,.0f}/s" + "".join(f"{ratios[mode]:>16.2f} " for mode in MODES))
    print(f"budget: {BUDGET} where at most 1 % is sampled: {'met' if met else 'missed'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
