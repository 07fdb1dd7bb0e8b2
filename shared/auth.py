"""Who is calling: a person whose token was verified (tokens.py), or a program that holds a key (api_keys.py).

What the person may do, and whether the key is one, is for the database to say, in the transaction that does the work.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID


@dataclass(frozen=True)
class Caller:
    """A verified person: `user_id` is the token's sub, `token` what PostgREST gets to act as them.

    Or a program: `api_key` is the public half, `secret_hash` what the database compares; then the others are empty.
    """

    user_id: UUID | None
    token: str
    api_key: str = ""
    secret_hash: str = ""

    @property
    def credentials(self) -> dict[str, object]:
        """Who is calling, as the database's functions take it."""
        if self.api_key:
            return {"p_api_key": self.api_key, "p_secret_hash": self.secret_hash}
        return {"p_user_id": self.user_id}
