"""A deployment as the simulation knows it: what things cost, what can be changed, and what is given."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Costs:
    """Milliseconds of processor time."""

    message: float  # of a worker: to begin and to end a run
    message_database: float  # of the database: a round of reconciliation, two requests
    look: float  # a claim that finds nothing, for each agency it looks at
    request: float  # and for the request itself, in PostgREST
    turn: float  # what a turn that finds something costs more than one that does not: claim, begin and settle
    call: float  # and for each of its calls
    counted: float  # for each call of the agency that is live or began in the last minute, at each claim
    webhook: float  # one event of the provider's, in two requests
    dial_turn: float  # of a worker: a turn that begins calls
    dial: float  # and for each of them
    aside_message: float = 0  # of what stands in for AWS and the provider, where it shares the machine
    aside_call: float = 0


@dataclass(frozen=True)
class Deployment:
    """What can be changed, and what is given."""

    costs: Costs
    workers: int  # at once: DISPATCH_CONCURRENCY and MaximumConcurrency
    cores: float  # of the database's machine, on which PostgREST runs too
    pool: int = 100  # connections of PostgREST
    every: float = 60
    overlap: float = 20
    group: int = 1  # agencies to a message
    by_lot: bool = False  # the order of a round, which else is always the same
    longest_wait: float = 1.0  # LONGEST_WAIT_SECONDS
    executions: int = 1000  # of the account at once, for all functions
    pollers: tuple[int, float] = (5, 5.0)  # at the start, and how many more a second
    worker_speed: float = 1024 / 1769  # of a processor; one is 1,769 MB
    cold_start: float = 1.0
    pick_up: float = 0.05  # from the queue to the function
    network: float = 0.003  # to the database and back
    commit: float = 0.002  # the log on disk: holds a connection and no core
    dial_seconds: float = 0.3  # the provider's answer
    webhooks: bool = True
    webhook_seconds: float = 0.03  # of an execution, beside its requests
    shared: bool = False  # the workers have no machine of their own, but the database's cores
