-- The spans of constant UTC offset of a time zone that cover p_from to p_to; none if the database does not know the zone.
-- No further than 70 days from p_from: what every user may ask must not keep the database busy.
-- Offsets are compared day by day, and a change is found by halving: no rule of our time takes one back within a day.
create function public.offset_spans(p_time_zone text, p_from timestamptz, p_to timestamptz)
returns table (span tstzrange, utc_offset interval)
language plpgsql stable rows 2 set search_path = ''
as $$
declare
  v_last timestamptz := least(p_to, p_from + interval '70 days');
  v_end timestamptz := date_trunc('second', v_last) + interval '1 s';  -- offsets change on whole seconds
  v_start timestamptz := date_trunc('second', p_from);
  v_same timestamptz := v_start;
  v_other timestamptz;
  v_half timestamptz;
begin
  utc_offset := (v_start at time zone p_time_zone) - (v_start at time zone 'UTC');
  while v_same < v_end loop
    v_other := least(v_same + interval '24 hours', v_end);
    if (v_other at time zone p_time_zone) - (v_other at time zone 'UTC') <> utc_offset then
      while v_other - v_same > interval '1 s' loop
        v_half := date_trunc('second', v_same + (v_other - v_same) / 2);
        if (v_half at time zone p_time_zone) - (v_half at time zone 'UTC') = utc_offset then
          v_same := v_half;
        else
          v_other := v_half;
        end if;
      end loop;
      span := tstzrange(v_start, v_other);
      return next;
      v_start := v_other;
      utc_offset := (v_other at time zone p_time_zone) - (v_other at time zone 'UTC');
    end if;
    v_same := v_other;
  end loop;
  span := tstzrange(v_start, v_end);
  return next;
exception when invalid_parameter_value then
  return;
end;
$$;
