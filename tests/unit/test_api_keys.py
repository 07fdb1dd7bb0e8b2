from __future__ import annotations

import pytest

from shared import api_keys
from shared.errors import UnauthorizedError

SECRET = api_keys.secret_of("seed", "service key")


def test_a_secret_is_worked_out_from_seed_and_service_key_alone() -> None:
    assert api_keys.secret_of("seed", "service key") == SECRET
    assert api_keys.secret_of("another", "service key") != SECRET
    assert api_keys.secret_of("seed", "another") != SECRET


def test_a_secret_that_was_mistyped_in_any_place_is_found_out() -> None:
    assert api_keys.is_well_formed(SECRET)
    for place, letter in enumerate(SECRET):
        other = "0" if letter != "0" else "1"
        assert not api_keys.is_well_formed(f"{SECRET[:place]}{other}{SECRET[place + 1 :]}")
    for wrong in ("", SECRET[:-1], f"{SECRET}0", f"{SECRET}\n", SECRET.upper()):
        assert not api_keys.is_well_formed(wrong)


def test_who_holds_a_key_is_known_by_it_and_never_by_its_secret() -> None:
    who = api_keys.holder({"x-api-key": "bl_key_7", "x-api-secret": SECRET})

    assert who.credentials == {"p_api_key": "bl_key_7", "p_secret_hash": api_keys.hashed(SECRET)}
    assert (who.user_id, who.token) == (None, "")
    assert SECRET not in repr(who)


@pytest.mark.parametrize("api_key", ["", "bl_key_", "bl_key_7\n", "bl_secret_7", "bl_key_é", "bl_key_" + "7" * 65])
def test_what_is_no_key_is_refused_at_once(api_key: str) -> None:
    with pytest.raises(UnauthorizedError, match="Missing or invalid API key or secret"):
        api_keys.holder({"x-api-key": api_key, "x-api-secret": SECRET})


def test_a_key_without_a_secret_is_refused_at_once() -> None:
    with pytest.raises(UnauthorizedError):
        api_keys.holder({"x-api-key": "bl_key_7"})
