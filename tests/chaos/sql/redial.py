"""What other diallers do, so that the state machine is seen to find it: it exists nowhere but here."""

from __future__ import annotations

from tests.chaos.sql.machine import Campaigns, step
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


class RedialOnTimeOut(Campaigns):
    """Who has not been heard of for half a minute is called again."""

    @step()
    def redial(self) -> None:
        for (call_id,) in query(self.connection, TIMED_OUT):
            query(self.connection, CALL_AGAIN, call_id)

    def check(self) -> None:
        """Only the double dial counts here: its rows are wrong as well."""

    def teardown(self) -> None:
        self.connection.rollback()
