"""The demo agencies, their users and keys: what sql/seed.sql, the simulator and `.local/env` agree on."""

from __future__ import annotations

from dataclasses import dataclass

PASSWORD = "demo-password"  # noqa: S105 - of users who exist on loopback only

USERS = {
    "owner@acme.test": "00000000-0000-4000-8000-0000000000a1",
    "admin@acme.test": "00000000-0000-4000-8000-0000000000a2",
    "member@acme.test": "00000000-0000-4000-8000-0000000000a3",
    "owner@globex.test": "00000000-0000-4000-8000-0000000000b1",
    "nobody@nowhere.test": "00000000-0000-4000-8000-0000000000c1",
}


@dataclass(frozen=True)
class DemoAgency:
    """What the demo knows of one agency; `slug` names it in the keys file, `api_key` is the public half of its key."""

    slug: str
    name: str
    id: str
    agent_mapping_id: str
    ultravox_agent_id: str
    campaign_id: str
    from_number: str
    owner_id: str
    api_key: str


ACME = DemoAgency(
    slug="acme",
    name="Acme",
    id="00000000-0000-4000-8000-00000000000a",
    agent_mapping_id="00000000-0000-4000-8000-0000000000d1",
    ultravox_agent_id="00000000-0000-4000-8000-0000000000e1",
    campaign_id="00000000-0000-4000-8000-0000000000f1",
    from_number="+14155550100",
    owner_id=USERS["owner@acme.test"],
    api_key="bl_key_acme0000000000000000000000000000",
)
GLOBEX = DemoAgency(
    slug="globex",
    name="Globex",
    id="00000000-0000-4000-8000-00000000000b",
    agent_mapping_id="00000000-0000-4000-8000-0000000000d2",
    ultravox_agent_id="00000000-0000-4000-8000-0000000000e2",
    campaign_id="00000000-0000-4000-8000-0000000000f2",
    from_number="+12125550100",
    owner_id=USERS["owner@globex.test"],
    api_key="bl_key_globex00000000000000000000000000",
)
AGENCIES = (ACME, GLOBEX)
