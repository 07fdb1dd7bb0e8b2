-- A caller id of the agency and the carrier behind it; given again, it changes the carrier, and is active.
create function batchline.add_number(
  p_agency_id uuid, p_phone_number text, p_provider text default 'twilio', p_sip_domain text default null
)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_agency public.agencies := batchline.require_agency(p_agency_id);
  v_number public.agency_phone_numbers;
begin
  insert into public.agency_phone_numbers (agency_id, phone_number, provider, sip_domain)
  values (v_agency.id, p_phone_number, p_provider, p_sip_domain)
  on conflict on constraint phone_number_is_unique_per_agency do update
  set provider = excluded.provider, sip_domain = excluded.sip_domain, active = true
  returning * into v_number;
  return jsonb_build_object(
    'id', v_number.id, 'agency_id', v_number.agency_id, 'phone_number', v_number.phone_number,
    'provider', v_number.provider, 'sip_domain', v_number.sip_domain, 'active', v_number.active
  );
end;
$$;
