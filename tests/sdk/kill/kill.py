"""Kills the gateway at any moment, again and again, under the load of clients that retry.

Everything by chance comes from one seed, which is printed; `--seed` (or KILL_SEED) repeats its schedule of kills and
its wishes. What the machine does meanwhile is not under it.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python"))  # the stack and its pictures

from books import problems  # noqa: E402
from house import Gateway, Simulator  # noqa: E402
from wishes import Clients  # noqa: E402

# How a round ends the gateway, and how often: killed while it works, right after a request came, while it starts;
# drained; frozen.
ROUNDS = {"running": 50, "admission": 32, "starting": 10, "drained": 5, "frozen": 3}
KILLS = ("running", "admission", "starting")
ALIVE_S = (0.0, 0.6)
AFTER_REQUEST_S = (0.0, 0.03)
AFTER_START_S = (0.0, 0.06)
FROZEN_S = (1.0, 3.0)
FINISH_DEADLINE_S = 90.0


def main() -> int:
    arguments = _arguments()
    folder = Path(tempfile.mkdtemp(prefix="kill-"))
    print(f"seed {arguments.seed}; repeat with KILL_SEED={arguments.seed} KILL_ROUNDS={arguments.rounds}", flush=True)
    simulator = Simulator(folder, arguments.seed)
    gateway = Gateway(folder, simulator.url)
    try:
        found = _run(arguments, simulator, gateway)
    except Exception as reason:
        found = [str(reason)]
    finally:
        if gateway.child and gateway.child.poll() is None:
            gateway.child.kill()
        simulator.stop()
    for problem in found:
        print(f"WRONG: {problem}", file=sys.stderr)
    if found:
        print(f"seed {arguments.seed}, the log is in {folder}", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


def _arguments() -> argparse.Namespace:
    def of(name: str, usual: int) -> int:
        return int(os.environ.get(name) or usual)

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=of("KILL_ROUNDS", 200), help="how often it is killed")
    parser.add_argument("--seed", type=int, default=of("KILL_SEED", random.SystemRandom().randrange(2**32)))
    parser.add_argument("--clients", type=int, default=of("KILL_CLIENTS", 10), help="threads that ask")
    return parser.parse_args()


def _run(arguments: argparse.Namespace, simulator: Simulator, gateway: Gateway) -> list[str]:
    began = time.monotonic()
    gateway.start()
    gateway.wait_until_ready()
    clients = Clients(gateway.api, arguments.seed, arguments.clients)
    clients.start()
    told = _rounds(arguments, gateway, clients)
    gateway.wait_until_ready()
    clients.finish(FINISH_DEADLINE_S)
    wishes = clients.wishes
    found = problems(wishes, simulator, gateway)
    took = time.monotonic() - began
    gateway.terminate()
    kinds, totals = Counter(wish.kind for wish in wishes), simulator.ledger()["totals"]
    print(
        f"{told['kills']} kills ({told['hit']} hit requests in flight, {told['starting']} a start), "
        f"{told['drained']} drains, {told['frozen']} freezes; "
        f"{len(wishes)} wishes by {arguments.clients} clients in {clients.load.sent} requests {dict(kinds)}; "
        f"{totals['creates_accepted']} tasks, {totals['creates_replayed']} creates answered again, "
        f"{totals['credits_charged']:.1f} credits charged; {took:.0f} s"
    )
    return found


def _rounds(arguments: argparse.Namespace, gateway: Gateway, clients: Clients) -> Counter:
    """Kills it as often as it was asked for, and in between ends it in kinder ways."""
    chance, told = random.Random(arguments.seed), Counter()
    while told["kills"] < arguments.rounds and not clients.failed.is_set():
        end = chance.choices(list(ROUNDS), list(ROUNDS.values()))[0]
        alive, soon = chance.uniform(*ALIVE_S), chance.uniform(*AFTER_REQUEST_S)
        starting, frozen = chance.uniform(*AFTER_START_S), chance.uniform(*FROZEN_S)
        if end == "starting":
            time.sleep(starting)
        else:
            gateway.wait_until_ready()
            time.sleep(alive)
        match end:
            case "admission":
                clients.load.wait_for_one(1.0)
                time.sleep(soon)
            case "frozen":
                gateway.freeze(frozen)
        told[end] += 1
        if end == "frozen":
            continue
        if end == "drained":
            gateway.terminate()
        else:
            told["kills"] += 1
            told["hit"] += clients.load.in_flight > 0
            gateway.kill()
        gateway.start()
    return told


if __name__ == "__main__":
    sys.exit(main())
