"""What was measured, for the simulation: each figure with the benchmark that gave it (docs/benchmarks.md).

In milliseconds of processor time of the machine that docs/benchmarks.md names. `python -m benchmarks messages costs`
prints the tables that these are read from.
"""

from __future__ import annotations

from benchmarks.deployment import Costs

COSTS = Costs(
    message=71.0,
    message_database=4.7,
    look=2.5,
    request=1.1,
    turn=11.0,
    call=0.35,
    counted=0.004,
    webhook=2.5,
    dial_turn=8.0,
    dial=2.1,
)
# On one machine, what stands in for AWS and the provider takes its part of the processors too.
ASIDE_MESSAGE, ASIDE_CALL = 13.0, 0.35
BACKGROUND = 0.04  # of a processor: eight workers that poll, the stand-ins, and the benchmark that looks at the queue
