-- The demo agencies. Their users' sign-ins (auth.users) are made by the local stack, with the same ids.
insert into public.agencies (id, public_id, name, max_calls_per_minute, max_concurrent_calls) values
  ('00000000-0000-4000-8000-00000000000a', 'acme0000000000000000', 'Acme', 600, 60),
  ('00000000-0000-4000-8000-00000000000b', 'globex00000000000000', 'Globex', 120, 20)
on conflict (id) do nothing;

insert into public.users (id, agency_id, role, email, full_name) values
  ('00000000-0000-4000-8000-0000000000a1', '00000000-0000-4000-8000-00000000000a', 'agency_owner', 'owner@acme.test', 'Acme Owner'),
  ('00000000-0000-4000-8000-0000000000a2', '00000000-0000-4000-8000-00000000000a', 'agency_admin', 'admin@acme.test', 'Acme Admin'),
  ('00000000-0000-4000-8000-0000000000a3', '00000000-0000-4000-8000-00000000000a', 'agency_member', 'member@acme.test', 'Acme Member'),
  ('00000000-0000-4000-8000-0000000000b1', '00000000-0000-4000-8000-00000000000b', 'agency_owner', 'owner@globex.test', 'Globex Owner'),
  ('00000000-0000-4000-8000-0000000000c1', null, 'agency_member', 'nobody@nowhere.test', 'Nobody')
on conflict (id) do nothing;

insert into public.agent_mappings (id, agency_id, name, ultravox_agent_id, max_duration_seconds) values
  ('00000000-0000-4000-8000-0000000000d1', '00000000-0000-4000-8000-00000000000a', 'Sales Agent', '00000000-0000-4000-8000-0000000000e1', 600),
  ('00000000-0000-4000-8000-0000000000d2', '00000000-0000-4000-8000-00000000000b', 'Survey Agent', '00000000-0000-4000-8000-0000000000e2', 600)
on conflict (id) do nothing;

insert into public.campaigns (id, agency_id, name) values
  ('00000000-0000-4000-8000-0000000000f1', '00000000-0000-4000-8000-00000000000a', 'Q1 Outreach'),
  ('00000000-0000-4000-8000-0000000000f2', '00000000-0000-4000-8000-00000000000b', 'Spring Survey')
on conflict (id) do nothing;

insert into public.agency_phone_numbers (agency_id, phone_number, provider) values
  ('00000000-0000-4000-8000-00000000000a', '+14155550100', 'twilio'),
  ('00000000-0000-4000-8000-00000000000b', '+12125550100', 'twilio')
on conflict on constraint phone_number_is_unique_per_agency do nothing;
