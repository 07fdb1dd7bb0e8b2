from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.dialer.harness import World


def test_everybody_on_the_list_is_called_and_the_batch_completes(world: World) -> None:
    batch = world.create(50)

    figures = world.run()

    assert batch.status == "completed"
    assert batch.counters() == {"completed": 50}
    assert (figures["batches_processed"], figures["calls_initiated"], figures["calls_failed"]) == (1, 50, 0)
    stats = batch.stats()
    assert (stats["accepted"], stats["double_dials"], stats["most_calls_per_contact"]) == (50, 0, 1)
