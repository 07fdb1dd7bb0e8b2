"""The dialler's timers, shortened together, and the bounds that they make. All in seconds."""

from __future__ import annotations

DIAL_TIMEOUT = 0.8
LEASE = 3.4
ASK_AFTER = 1.4
ASK_AGAIN = 0.4
RECONCILE = 0.4
GIVE_UP = 2.0

ENVIRONMENT = {
    "DIAL_BY_SECONDS": "0.5",
    "DIAL_TIMEOUT_SECONDS": str(DIAL_TIMEOUT),
    "CONNECT_TIMEOUT_SECONDS": "0.4",
    "WRITE_TIMEOUT_SECONDS": "1",
    "LEASE_SECONDS": str(LEASE),
    "ASK_AFTER_SECONDS": str(ASK_AFTER),
    "ASK_AGAIN_SECONDS": str(ASK_AGAIN),
    "JOIN_TIMEOUT_SECONDS": "1",
    "SILENCE_SECONDS": "1.2",
    "DIAL_CONNECTIONS": "20",
}
CONSTANTS = {
    "RECONCILE_SECONDS": RECONCILE,
    "LONGEST_WAIT_SECONDS": 0.5,
    "SLOT_WAIT_SECONDS": 0.4,
    "SETTLE_SECONDS": 0.3,
}
"""Of shared.dialer. Most of a run is waiting: what asks too often has many worlds wait for the machine."""

ROUND = RECONCILE + 2.0
"""One round of reconciliation: the pause before it, and what its own round trips may take on two busy cores."""
TO_SETTLE = LEASE + ASK_AFTER + ASK_AGAIN + 3 * ROUND
"""From a call's beginning until its fate is known, when its worker is gone, another one works and the provider answers.
"""
MAX_DURATION = 2
TO_GIVE_UP = LEASE + MAX_DURATION + GIVE_UP + 2 * ROUND
"""The same when the provider never answers."""
