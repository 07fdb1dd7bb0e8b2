-- What became of the notices of one batch that a worker had in hand, in their order; what it did not come to is given
-- back. A worker whose lease was taken over changes nothing. The answer says how many became what.
create function batchline.record_notices(p_worker text, p_batch_id uuid, p_url text, p_results jsonb)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := batchline.clock();
  v_counts jsonb;
begin
  with result as (
    select * from jsonb_to_recordset(p_results)
      as result (id uuid, delivered boolean, answer int, error text, retry_after_seconds double precision)
  ), recorded as (
    update public.notices as notice
    set status = case
          when delivered then 'delivered' when batchline.notice_delay(attempts + 1) is null then 'failed' else 'waiting'
        end,
        attempts = attempts + 1,
        next_attempt_at = case
          when delivered then next_attempt_at
          -- Up to a tenth later, so that what failed together does not come back together.
          else v_now + coalesce(
            greatest(batchline.notice_delay(attempts + 1), make_interval(secs => retry_after_seconds)), '0'
          ) * (1 + random() / 10)
        end,
        last_answer = answer,
        last_error = error,
        finished_at = case when delivered or batchline.notice_delay(attempts + 1) is null then v_now end,
        claimed_by = null,
        claimed_until = null
    from result
    where notice.id = result.id and notice.batch_id = p_batch_id and claimed_by = p_worker and status = 'waiting'
    returning notice.status, notice.agency_id, answer
  )
  select jsonb_build_object(
           'delivered', count(*) filter (where status = 'delivered'),
           'failed', count(*) filter (where status = 'failed'),
           'waiting', count(*) filter (where status = 'waiting'),
           'gone', max(agency_id::text) filter (where answer = 410)
         )
  into v_counts
  from recorded;

  update public.notices
  set claimed_by = null, claimed_until = null
  where batch_id = p_batch_id and claimed_by = p_worker and status = 'waiting';
  if v_counts ->> 'gone' is not null then  -- the receiver's own way of saying that it wants no more
    update public.notice_endpoints
    set active = false, disabled_reason = 'The endpoint answered 410 Gone', updated_at = v_now, updated_by = null
    where agency_id = (v_counts ->> 'gone')::uuid and active and url = p_url;
    if found then
      perform batchline.drop_notices((v_counts ->> 'gone')::uuid, 'The endpoint answered 410 Gone');
    end if;
  end if;
  return v_counts - 'gone';
end;
$$;
