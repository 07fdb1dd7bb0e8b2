-- How many calls may begin now under a pace of so many a minute: no more than that in any 60 s, and no more than
-- one second's share in any 1 s, since carriers take about one start a second. p_begun holds the starts of the last
-- minute, newest first. The windows are a little wider than 60 s and 1 s, because what is exact here reaches the
-- provider with a few milliseconds of jitter.
create function batchline.pace_room(
  p_begun timestamptz[], p_calls_per_minute int, p_now timestamptz, out room int, out opens_at timestamptz
)
language plpgsql immutable set search_path = ''
as $$
declare
  v_share int := ceil(p_calls_per_minute / 60.0);
  v_minute constant interval := '60.02 s';
  v_second constant interval := '1.005 s';
begin
  room := least(
    p_calls_per_minute - (select count(*) from unnest(p_begun) as begun (at) where at > p_now - v_minute),
    v_share - (select count(*) from unnest(p_begun[:v_share]) as begun (at) where at > p_now - v_second)
  );
  opens_at := greatest(p_now, p_begun[p_calls_per_minute] + v_minute, p_begun[v_share] + v_second);
end;
$$;
