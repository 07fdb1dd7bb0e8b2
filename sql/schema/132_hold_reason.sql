-- What a contact is told that a rule about its number holds back. It names no time: one event for each change of reason.
create function batchline.hold_reason(p_rule text)
returns text
language sql immutable set search_path = ''
as $$
  select case p_rule
    when 'do_not_call' then 'On the do-not-call list'
    when 'max_daily_calls_per_number' then 'Called as often as the agency allows in 24 hours'
    when 'minutes_between_batches' then 'Called for another batch a short while ago'
  end;
$$;
