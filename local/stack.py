"""The whole stack as one object: `with Stack(folder) as stack:` starts every part, and none outlives the block."""

from __future__ import annotations

import fcntl
import json
import os
import sys
import threading
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from local import aws, demo_data, functions, keys, mapping, migrate, postgrest, queues, schedule, seeding
from local.postgres import Postgres, Server, as_authenticator
from local.processes import LocalError, Part, free_ports, is_port_free

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    from local.keys import Keys

DATABASE = "batchline"
STAGE = "local"
QUEUE_WORKERS = 8  # how many messages of a queue are served at once
FIRST_PORT = 54321  # the port of Supabase's own local stack


@dataclass(frozen=True)
class Ports:
    """One port for each part that listens on 127.0.0.1."""

    gateway: int
    postgrest: int
    postgrest_admin: int
    simulator: int
    aws: int

    @classmethod
    def starting_at(cls, first: int) -> Ports:
        """Five ports in a row; raises LocalError, naming part and way out, when one is taken."""
        ports = cls(*range(first, first + len(fields(cls))))
        for part, port in asdict(ports).items():
            if not is_port_free(port):
                raise LocalError(
                    f"Port {port}, which the {part.replace('_', ' ')} needs, is taken by another program: "
                    "stop that one, or take other ports with `python -m local up --port N`."
                )
        return ports

    @classmethod
    def free(cls) -> Ports:
        return cls(*free_ports(len(fields(cls))))


class Stack:
    """A running stack.

    `ports` are free ones unless given. `schedule_every` is None for no schedule at all, 0 for the rates written in
    serverless.yml, else seconds. `durable=False` gives up what protects data from a crash of the machine, for tests.
    `simulator_config` replaces members of the simulator's configuration; `settings` are further settings for the
    functions (timers, say); with `queue` the schedule sends one message per agency and a worker of each queue serves
    them, some at once; `server` is a database server to use instead of one of its own.

    Entering raises LocalError, one sentence for a person, when a part cannot start; leaving raises it when a part
    died inside the block.
    """

    def __init__(
        self,
        folder: Path,
        *,
        ports: Ports | None = None,
        schedule_every: float | None = None,
        queue: bool = False,
        seed: bool = True,
        durable: bool = True,
        simulator_config: Mapping[str, Any] | None = None,
        settings: Mapping[str, str] | None = None,
        server: Server | None = None,
        database: str | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self._logs = self.folder / "logs"
        self._ports = ports
        self._schedule_every = schedule_every
        self._queue = queue
        self._seed = seed
        self._simulator_config = simulator_config or {}
        self._settings = settings or {}
        self._parts: dict[str, Part] = {}
        self._death = threading.Event()
        self._cause: LocalError | None = None
        self._postgres = None
        given = os.environ.get("DATABASE_URL")
        if server is None and given:
            server, database = Server(given), database or urlsplit(given).path.lstrip("/")
        if server is None:
            self._postgres = Postgres(
                self.folder / "postgres", self._logs / "postgres.log", durable=durable, on_death=self._on_death
            )
            server = self._postgres.server
        self._server, self._database = server, database or DATABASE
        self.database_url = server.database(self._database)

    url: str
    """SUPABASE_URL: the gateway."""
    simulator_url: str
    database_url: str
    """As a superuser, past row-level security."""
    env: dict[str, str]
    """What the functions and tools find in their environment, as `.local/env` has it."""

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.callback(os.close, self._lock())
            undo.callback(self._stop)
            try:
                self._start()
            except Exception as error:
                if self._cause is None:
                    raise
                raise self._cause from error  # the part that died first, not one that was stopped for it
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._undo.close()
        if self._cause:
            raise self._cause

    @property
    def parts(self) -> Mapping[str, Part]:
        """The processes by name."""
        return self._parts

    def wait(self) -> None:
        """Returns when a part has died; the end of the block then says which."""
        self._death.wait()

    def _start(self) -> None:
        self._logs.mkdir(exist_ok=True)
        ports = self._ports or Ports.free()
        known = keys.load_or_make(self.folder / "keys.json")
        self._describe(ports, known)
        # All are on their way before any is waited for; PostgREST reads the schema when it starts and comes last.
        self._start_aws(ports)
        self._start_simulator(ports, known)
        self._start_gateway(ports)
        self._start_database(known)
        self._start_postgrest(ports, known)
        for part in self._parts.values():
            part.wait_ready()
        postgrest.wait_ready(self._parts["postgrest"], ports.postgrest_admin)
        if self._schedule_every is not None:
            self._start_schedule(self._schedule_every)

    def _describe(self, ports: Ports, known: Keys) -> None:
        acme = demo_data.ACME
        self.url = f"http://127.0.0.1:{ports.gateway}"
        self.simulator_url = f"http://127.0.0.1:{ports.simulator}"
        self.env = {
            "SUPABASE_URL": self.url,
            "SUPABASE_REST_URL": f"http://127.0.0.1:{ports.postgrest}",
            "SUPABASE_ANON_KEY": known.anon_key,
            "SUPABASE_SERVICE_ROLE_KEY": known.service_role_key,
            "DATABASE_URL": self.database_url,
            "FUNCTIONS_URL": f"{self.url}/functions/v1",
            "ULTRAVOX_BASE_URL": self.simulator_url,
            "STAGE": STAGE,
            "NOTICES_ALLOW_HTTP": "true",
            "NOTICES_ALLOW_PRIVATE": "true",
            **aws.environment(f"http://127.0.0.1:{ports.aws}"),
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "DEMO_AGENCY_ID": acme.id,
            "DEMO_WEBHOOK_SECRET": known.agencies[acme.slug].webhook_secret,
            "DEMO_API_KEY": acme.api_key,
            "DEMO_API_SECRET": known.api_secret(acme.slug),
            "DEMO_AGENT_MAPPING_ID": acme.agent_mapping_id,
            "DEMO_CAMPAIGN_ID": acme.campaign_id,
            "DEMO_FROM_NUMBER": acme.from_number,
            "DEMO_PASSWORD": demo_data.PASSWORD,
            **self._settings,
        }

    def _start_aws(self, ports: Ports) -> None:
        self._run(
            "aws", "local.aws_server", str(ports.aws), str(self.folder / "keys.json"), STAGE, ready=aws.READY_LINE
        )

    def _start_simulator(self, ports: Ports, known: Keys) -> None:
        config = self.folder / "simulator.json"
        config.touch(mode=0o600)
        config.write_text(json.dumps({**seeding.simulator_config(known), **self._simulator_config}))
        arguments = ("--port", str(ports.simulator), "--config", f"@{config}")
        self._run("simulator", "local.simulator", *arguments, ready="simulator listening on")

    def _start_gateway(self, ports: Ports) -> None:
        arguments = (str(ports.gateway), str(self.folder / "keys.json"))
        self._run("gateway", "local.gateway", *arguments, ready="Uvicorn running on")

    def _start_database(self, known: Keys) -> None:
        if self._postgres:
            self._postgres.start()
            self._parts["postgres"] = self._postgres.part
            self._postgres.part.wait_ready()
        if not self._server.has(self._database):
            self._server.create(self._database)
        migrate.migrate(self.database_url)
        if self._seed:
            seeding.seed(self.database_url, known)

    def _start_postgrest(self, ports: Ports, known: Keys) -> None:
        login = as_authenticator(self.database_url)
        file = postgrest.configure(self.folder, known, login, ports.postgrest, ports.postgrest_admin)
        part = postgrest.part(file, self._logs / "postgrest.log", self._on_death)
        part.start()
        self._parts["postgrest"] = part

    def _start_schedule(self, every: float) -> None:
        fanned_out = queues.FANNED_OUT if self._queue else ()
        others = [one.name for one in functions.load().values() if one.schedules and one.name not in fanned_out]
        if others:
            self._run("schedule", "local.schedule", str(every or "as-written"), *others, ready=schedule.READY_LINE)
        for name in fanned_out:
            self._fan_out(name, every)
        for name, part in self._parts.items():
            if name.startswith(("schedule", "queue")):
                part.wait_ready()

    def _fan_out(self, name: str, every: float) -> None:
        """A function with a queue: DISPATCH_QUEUE_URL is the function's own, so its processes are too."""
        settings = {
            "DISPATCH_QUEUE_URL": aws.queue_url(self.env["AWS_ENDPOINT_URL"], name),
            "DISPATCH_CONCURRENCY": str(QUEUE_WORKERS),
            "DISPATCH_EVERY_SECONDS": str(every or functions.load()[name].schedules[0].every),
        }
        arguments = (str(every or "as-written"), name)
        self._run(f"schedule-{name}", "local.schedule", *arguments, ready=schedule.READY_LINE, settings=settings)
        arguments = (name, str(QUEUE_WORKERS))
        self._run(f"queue-{name}", "local.mapping", *arguments, ready=mapping.READY_LINE, settings=settings)

    def _run(
        self, name: str, module: str, *arguments: str, ready: str, settings: Mapping[str, str] | None = None
    ) -> None:
        part = Part(
            name,
            (sys.executable, "-m", module, *arguments),
            self._logs / f"{name}.log",
            ready,
            environment={**_environment(), **self.env, **(settings or {})},
            on_death=self._on_death,
        )
        part.start()
        self._parts[name] = part

    def _on_death(self, part: Part) -> None:
        self._cause = self._cause or LocalError(part.epitaph())
        for other in tuple(self._parts.values()):
            other.signal_stop()
        self._death.set()

    def _stop(self) -> None:
        database = self._parts.pop("postgres", None)
        for part in self._parts.values():
            part.signal_stop()
        for part in self._parts.values():
            part.join()
        if database:  # last: the others may still write
            database.signal_stop()
            database.join()

    def _lock(self) -> int:
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(lock)
            raise LocalError(f"A stack already runs in {self.folder}; `make down` stops it.") from error
        return lock


def _environment() -> dict[str, str]:
    """Ours, without what would lead libraries to somebody's real accounts."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SUPABASE_", "PG"))}
