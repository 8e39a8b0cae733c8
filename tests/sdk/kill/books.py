"""The end of a run: answers, the simulator's ledger and the gateway's journal must tell the same story."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict

from house import Gateway, Simulator
from wishes import Wish

GAUGES = ("running_generations", "queued_generations", "waiting_requests", "in_doubt_generations")

UNFINISHED = ("running", "queued", "in_doubt")


def problems(wishes: list[Wish], simulator: Simulator, gateway: Gateway) -> list[str]:
    """All that is wrong; nothing when all is well."""
    found = [f"wish {wish.number} ({wish.kind}): {wish.error}" for wish in wishes if wish.error]
    found += [
        f"wish {wish.number} ({wish.kind}): {len(wish.pictures)} pictures of {wish.count}"
        for wish in wishes
        if not wish.error and len(wish.pictures) != wish.count
    ]
    if left := gateway.wait_until_quiet():
        found.append(f"{left} generations are unfinished in the journal")
    ledger = simulator.ledger()
    found += _bought_once(wishes, ledger)
    found += _delivered_once(wishes, ledger, simulator)
    found += _written_down(ledger, gateway)
    found += _booked(ledger, gateway)
    found += [f"{name} is {value}" for name in GAUGES if (value := gateway.gauge(name)) != 0]
    found += [f"listed as {state}: {listed}" for state in UNFINISHED if (listed := gateway.listed(state))]
    if "panicked at" in gateway.log.read_text(errors="replace"):
        found.append("the gateway panicked, see its log")
    return found


def _bought_once(wishes: list[Wish], ledger: dict) -> list[str]:
    """One charged task for each picture, one task more for each that failed and was refunded, and no other task."""
    tasks, found = ledger["tasks"], []
    of = defaultdict(Counter)
    for task in tasks:
        of[task["prompt"]][task["status"]] += 1
        charged, done = task["credits_charged"], task["status"] == "completed"
        if (charged > 0) != done:
            found.append(f"task {task['id']} is {task['status']} and charged {charged}")
    for wish in wishes:
        made = of.pop(wish.prompt, Counter())
        if made["completed"] != wish.count or set(made) - {"completed", "failed"}:
            found.append(f"wish {wish.number} ({wish.kind}) of {wish.count} pictures has tasks {dict(made)}")
        if made["failed"] > ("[fail:" in wish.prompt):
            found.append(f"wish {wish.number} has {made['failed']} failed tasks: {wish.prompt}")
    found += [f"tasks that nobody wished: {prompt}" for prompt in of]
    keys = Counter(task["idempotency_key"] for task in tasks)
    if len(keys) != len(tasks) or None in keys:
        found.append("tasks share an idempotency key, or have none")
    if ledger["totals"]["creates_accepted"] != len(tasks) or ledger["totals"]["tasks_forgotten"]:
        found.append(f"the ledger is not whole: {ledger['totals']}")
    if ledger["leaks"]:
        found.append(f"upstream's key went to the media host: {ledger['leaks']}")
    return found


def _delivered_once(wishes: list[Wish], ledger: dict, simulator: Simulator) -> list[str]:
    """Each wish has the pictures of its own tasks, every one of them, byte for byte."""
    of = defaultdict(Counter)
    for task in ledger["tasks"]:
        if task["status"] == "completed":
            of[task["prompt"]][hashlib.sha256(simulator.picture(task["id"])).hexdigest()] += 1
    return [
        f"wish {wish.number} ({wish.kind}) has other pictures than its tasks: {wish.prompt}"
        for wish in wishes
        if not wish.error and Counter(wish.pictures) != of[wish.prompt]
    ]


def _booked(ledger: dict, gateway: Gateway) -> list[str]:
    """Nothing is held, and what the team has used of its budgets is what upstream made and charged."""
    made = sum(task["pictures"] for task in ledger["tasks"] if task["status"] == "completed")
    charged = round(sum(task["credits_charged"] for task in ledger["tasks"]) * 1e6)
    right = {("images", made * 1_000_000, 0), ("credits", charged, 0)}
    booked = set(gateway.rows("SELECT unit, sum(used), sum(held) FROM windows JOIN budgets ON number = budget GROUP BY unit"))
    found = [] if booked == right else [f"the budgets are at {booked}, which should be {right}"]
    if holds := gateway.rows("SELECT generation, amount FROM holds"):
        found.append(f"held for ever: {holds}")
    if (counted := gateway.rows("SELECT sum(credits) FROM usage")) != [(charged,)]:
        found.append(f"the daily figures say {counted}, {charged} were charged")
    return found


def _written_down(ledger: dict, gateway: Gateway) -> list[str]:
    """The journal's purchases are upstream's tasks."""
    written = Counter(task for (task,) in gateway.rows("SELECT task FROM purchases"))
    made = Counter(task["id"] for task in ledger["tasks"])
    if written == made:
        return []
    return [f"the journal has purchases that upstream has not ({written - made}), or lacks some ({made - written})"]
