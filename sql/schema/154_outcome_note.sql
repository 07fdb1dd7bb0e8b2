create function batchline.outcome_note(p_outcome text)
returns text
language sql immutable set search_path = ''
as $$
  select case p_outcome
    when 'answered' then 'Answered'
    when 'no_answer' then 'No answer'
    when 'busy' then 'Busy'
    when 'rejected' then 'The call was rejected'
    when 'invalid_number' then 'The number cannot be called'
    when 'dropped' then 'The connection was lost just after the call was answered'
    when 'error' then 'The call could not be connected'
    when 'unknown' then 'We could not learn what became of this call; it was not dialled again.'
  end;
$$;
