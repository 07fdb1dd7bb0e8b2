"""What other diallers do, so that the state machine is seen to find it: it exists nowhere but here."""

from __future__ import annotations

from typing import Any

from tests.chaos.sql.machine import Campaigns
from tests.sql.checks import query

TIMED_OUT = """
update public.calls set status = 'not_placed', reason = 'Timed out', news_at = batchline.clock()
where status = 'unknown' and unknown_at + interval '30 s' <= batchline.clock()
returning id
"""
CALL_AGAIN = """
select batchline.requeue_contact(call, batchline.clock(), false, 'Timed out'),
       batchline.complete_batches(array[call.batch_id])
from public.calls as call
where id = %s
"""


class OnlyDoubleDials(Campaigns):
    """Whose rows may be wrong as well: what counts is that somebody was called twice."""

    def check(self) -> None:
        """Nothing of what must always hold."""

    def teardown(self) -> None:
        self.connection.rollback()


class RedialOnTimeOut(OnlyDoubleDials):
    """Whoever has not been heard of for half a minute is called again: a timer in each round of reconciliation."""

    def one_round(self, **drawn: Any) -> None:
        super().one_round(**drawn)
        for (call_id,) in query(self.connection, TIMED_OUT):
            query(self.connection, CALL_AGAIN, call_id)
