"""Whether this bundle can serve: it reaches its database, which has every migration that the bundle was built with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import database
from shared.errors import DatabaseError, UnavailableError
from shared.telemetry import logger
from shared.version import SCHEMA_VERSION, VERSION

if TYPE_CHECKING:
    from shared.status_answers import Health

NO_SUCH_FUNCTION = "PGRST202"
SECONDS = 3.0  # whoever asks does so often, and takes no answer for an answer


def check() -> Health:
    """`{status, version, schema_version}`.

    Raises UnavailableError when the database cannot be reached, or lacks migrations that this version needs.
    """
    found = _schema_version()
    if found < SCHEMA_VERSION:
        logger.error("the database is behind", extra={"schema_version": found, "needed": SCHEMA_VERSION})
        raise UnavailableError("The database lacks migrations of this version", code="database_behind")
    return {"status": "ok", "version": VERSION, "schema_version": found}


def _schema_version() -> str:
    """The newest migration of the database; nothing where it has none or is too old to say. Raises UnavailableError."""
    try:
        return database.rpc("schema_version", {}, seconds=SECONDS) or ""
    except DatabaseError as error:
        if error.sqlstate == NO_SUCH_FUNCTION:
            return ""
        raise UnavailableError("The database cannot be reached") from error
