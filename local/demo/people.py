"""Whom the demo calls: fictional numbers, drawn names, and people who answer, talk or miss a call within seconds."""

from __future__ import annotations

import random
from typing import Any

import phonenumbers

from local.demo_data import AGENCIES

LINES_PER_AREA = range(100, 200)  # <area code> 555-0100 to 555-0199 are kept for fiction
FIRST_NAMES = (
    *("Ada", "Amir", "Bea", "Carlos", "Chidi", "Clara", "Dalia", "Emil", "Farah", "Gita", "Hugo", "Ines", "Ivo", "Jun"),
    *("Kira", "Leo", "Lina", "Mateo", "Mei", "Nadia", "Noor", "Omar", "Petra", "Rosa", "Sami", "Tess", "Uma", "Yuki"),
)
LAST_NAMES = (
    *("Adler", "Baker", "Castro", "Dahl", "Eriks", "Farouk", "Garcia", "Haas", "Ito", "Jansen", "Keller", "Lopez"),
    *("Mbeki", "Novak", "Okafor", "Park", "Quinn", "Rossi", "Silva", "Tanaka", "Usman", "Vega", "Wolf", "Young"),
)

# With 10 calls a second, some 40 are live at a time; 85 of 100 calls reach somebody, or a machine, and the others are
# tried again.
PEOPLE = {
    "ring_seconds": [0.5, 2.0],
    "talk_seconds": [1.0, 4.0],
    "no_answer_seconds": 2.5,
    "dropped_after_seconds": 0.5,
    "outcomes": {"answered": 82, "voicemail": 3, "no_answer": 13, "dropped": 2},
}

PAGE_LATENCY_SECONDS = 0.12  # what a page of past calls takes the real one

Contact = dict[str, str]


def simulator_config(seed: int) -> dict[str, Any]:
    """How the provider's stand-in is set up, as a patch of its configuration."""
    return {"seed": seed, "people": PEOPLE, "page_latency_seconds": PAGE_LATENCY_SECONDS}


def contacts(count: int, seed: int) -> list[Contact]:
    """`count` people with different numbers, the same for the same seed. Raises ValueError beyond all numbers."""
    chance = random.Random(seed)  # noqa: S311 - a list to show, no secret
    return [
        {
            "phone_number": number,
            "first_name": chance.choice(FIRST_NAMES),
            "last_name": chance.choice(LAST_NAMES),
        }
        for number in chance.sample(fictional_numbers(), count)
    ]


def fictional_numbers() -> list[str]:
    """All NANP numbers reserved for fiction that the phone-number library finds valid, less those we call from."""
    ours = {agency.from_number for agency in AGENCIES}
    areas = [area for area in range(200, 1000) if _is_valid(f"+1{area}5550100")]
    numbers = (f"+1{area}5550{line}" for area in areas for line in LINES_PER_AREA)
    return [number for number in numbers if number not in ours]


def _is_valid(number: str) -> bool:
    return phonenumbers.is_valid_number(phonenumbers.parse(number))
