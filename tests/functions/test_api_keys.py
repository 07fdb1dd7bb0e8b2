from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from shared.settings import settings
from tests.calling import call
from tests.factories import make_agency, make_api_key

if TYPE_CHECKING:
    import io

    from tests.calling import Reply
    from tests.factories import Agency, Connection
    from tests.functions.conftest import Sign
    from tests.servers import Asked
    from tests.sql.world import World


def create(token: str, name: str = "CRM", **headers: str) -> Reply:
    return call("api-keys-create", token, body={"name": name}, headers=headers)


def listed(token: str) -> list[dict[str, object]]:
    return call("api-keys-list", token).body


def test_the_answer_has_every_field(owner: str) -> None:
    reply = create(owner)

    assert reply.status == 201
    assert set(reply.body) == {"id", "name", "api_key", "api_secret", "created_at"}
    assert re.fullmatch(r"bl_key_[0-9a-f]{32}", reply.body["api_key"])
    assert re.fullmatch(r"bl_secret_[0-9a-f]{72}", reply.body["api_secret"])


def test_the_secret_is_nowhere_but_in_this_answer(owner: str, world: World, log: io.StringIO) -> None:
    secret = create(owner, **{"Idempotency-Key": "k"}).body["api_secret"]

    assert secret not in log.getvalue()
    assert secret not in str(listed(owner))
    rows = [*world.all("api_keys"), *world.all_kept()]
    assert len(rows) == 2
    assert secret[10:74] not in str(rows)


def test_a_secret_is_made_of_256_random_bits_and_goes_to_the_database_as_a_hash(
    owner: str, counted: list[Asked]
) -> None:
    secret = create(owner).body["api_secret"]

    (asked,) = counted
    sent = json.loads(asked.body)
    assert len(bytes.fromhex(sent["p_seed"])) == 32
    assert bytes.fromhex(sent["p_secret_hash"]) == hashlib.sha256(secret.encode()).digest()
    assert secret not in asked.body.decode()
    assert secret.removeprefix("bl_secret_")[:64] not in asked.body.decode()


def test_two_keys_have_nothing_in_common(owner: str) -> None:
    first, second = (create(owner).body for _ in range(2))

    assert first["api_key"] != second["api_key"]
    assert first["api_secret"][:40] != second["api_secret"][:40]


def test_a_repeated_request_shows_the_same_secret_and_makes_no_second_key(owner: str, world: World) -> None:
    first, second = (create(owner, **{"Idempotency-Key": "k"}) for _ in range(2))

    assert first.text == second.text
    assert second.headers["idempotent-replayed"] == "true"
    assert len(world.all("api_keys")) == 1


def test_once_the_service_key_has_changed_no_wrong_secret_is_shown(owner: str, world: World) -> None:
    create(owner, **{"Idempotency-Key": "k"})
    world.connection.execute(
        'update public.idempotent_answers set answer = answer || \'{"seed": "another"}\' where agency_id = %s',
        [world.agency.id],
    )

    reply = create(owner, **{"Idempotency-Key": "k"})

    assert (reply.status, reply.body["code"]) == (409, "secret_gone")
    assert settings().supabase_service_role_key.get_secret_value() not in reply.text


def test_all_keys_of_the_agency_are_listed_newest_first(
    owner: str, member: str, agency: Agency, db: Connection, sign: Sign
) -> None:
    made = [create(owner, name).body["id"] for name in ("a", "b", "c")]
    make_api_key(db, make_agency(db, "Globex"))

    for token in (owner, member, sign(agency.admin)):
        keys = listed(token)
        assert [key["id"] for key in keys] == made[::-1]
    assert set(keys[0]) == {"id", "name", "api_key", "created_by", "created_at", "last_used_at", "revoked_at"}
    assert (keys[0]["created_by"], keys[0]["last_used_at"], keys[0]["revoked_at"]) == (str(agency.owner), None, None)


def test_a_revoked_key_stays_on_the_list_and_revoking_again_changes_nothing(owner: str) -> None:
    key_id = create(owner).body["id"]

    first, second = (call("api-keys-revoke", owner, body={"id": key_id}) for _ in range(2))

    assert (first.status, first.body) == (200, second.body)
    assert first.body["revoked_at"]
    assert listed(owner) == [first.body]


def test_another_agencys_key_reads_as_one_that_does_not_exist(owner: str, db: Connection) -> None:
    theirs = make_api_key(db, make_agency(db, "Globex"))

    for key_id in (theirs.id, str(uuid4())):
        reply = call("api-keys-revoke", owner, body={"id": key_id})
        assert reply.error == (404, "API key not found or does not belong to the user's agency")
        assert reply.body["code"] == "api_key_not_found"
    row = db.execute("select revoked_at from public.api_keys where id = %s", [theirs.id]).fetchone()
    assert row == (None,)


@pytest.mark.parametrize(
    ("name", "sentence"), [(None, "name is missing"), ("  ", "name must be at least 1 character long")]
)
def test_a_key_has_a_name(owner: str, name: str | None, sentence: str) -> None:
    assert call("api-keys-create", owner, body={"name": name}).error == (400, sentence)
