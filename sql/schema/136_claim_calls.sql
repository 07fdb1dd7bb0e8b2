-- One round trip: starts what is due and claims, agency by agency, at most p_limit calls. Answers all that the dials
-- need, and when to come again.
create function batchline.claim_calls(
  p_worker text, p_limit int, p_lease_seconds double precision, p_agency_id uuid default null
)
returns jsonb
language plpgsql volatile
set search_path = '' set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  v_now timestamptz := batchline.clock();
  v_agencies uuid[] := array(
    select active.id from batchline.active_agencies(v_now) as active (id)
    where p_agency_id is null or active.id = p_agency_id
    order by active.id
  );
  v_agency_id uuid;
  v_calls uuid[] := '{}';
  v_claimed uuid[];
  v_share int;
  v_next timestamptz;
  v_opening record;
  v_waiting boolean := false;
  v_skipping boolean := false;
  v_turn int := 0;
begin
  foreach v_agency_id in array v_agencies loop
    -- An equal share of what is left; what one agency does not use is left to those after it. Fractions are drawn by
    -- lot: rounded up, they would always go to the first, and a small p_limit never reach the last.
    v_share := floor((p_limit - cardinality(v_calls))::numeric / (cardinality(v_agencies) - v_turn) + random());
    v_turn := v_turn + 1;
    if not batchline.try_lock_agency(v_agency_id) then
      v_next := least(v_next, batchline.clock() + interval '20 ms');
      continue;
    end if;
    v_next := least(v_next, batchline.start_call_batches(v_agency_id));
    if batchline.skip_forbidden(v_agency_id) then
      v_skipping := true;
      v_next := batchline.clock();
    end if;
    -- One instant for both: a place that opens between two would be neither taken nor foretold.
    v_now := batchline.clock();
    perform batchline.refresh_batch_zones(v_agency_id, v_now);
    select * into v_opening from batchline.next_opening(v_agency_id, v_now);
    v_claimed := '{}';
    if v_share > 0 and v_opening.waiting_for_slot then  -- most agencies wait for their pace at most claims
      v_claimed := batchline.claim_agency_calls(
        v_agency_id, p_worker, v_share, make_interval(secs => p_lease_seconds), v_now
      );
    end if;
    if v_claimed <> '{}' then
      v_calls := v_calls || v_claimed;
      select * into v_opening from batchline.next_opening(v_agency_id, v_now);
    end if;
    perform batchline.note_waiting(v_agency_id, v_now);
    v_next := least(v_next, v_opening.opens_at);
    if cardinality(v_claimed) = v_share and v_opening.waiting_for_slot and v_calls <> '{}' then
      v_next := v_now;  -- it was p_limit that stopped here, not a limit of the agency
    end if;
    v_waiting := v_waiting or v_opening.waiting_for_slot;
  end loop;

  return jsonb_build_object(
    'active', cardinality(v_agencies) > 0,
    'resting', v_calls = '{}' and not v_skipping and batchline.all_rest(v_agencies, v_now),
    'calls', batchline.dial_orders(v_calls),
    'next_claim_in', case when v_next is not null then greatest(0, extract(epoch from v_next - batchline.clock())) end,
    'waiting_for_slot', v_waiting
  );
end;
$$;
