-- The demo agencies, made as an operator makes agencies (python -m ops): their rows by the same functions, here with ids
-- that the demo knows. Their users' sign-ins (auth.users) are made by the local stack before, with the same ids.
select batchline.add_agency('00000000-0000-4000-8000-00000000000a', 'Acme', 'acme0000000000000000');
select batchline.add_agency('00000000-0000-4000-8000-00000000000b', 'Globex', 'globex00000000000000');
select batchline.set_limits('00000000-0000-4000-8000-00000000000a', 600, 60);
select batchline.set_limits('00000000-0000-4000-8000-00000000000b', 120, 20);

select batchline.add_user(id::uuid, agency_id::uuid, role, email, full_name)
from (
  values
    ('00000000-0000-4000-8000-0000000000a1', '00000000-0000-4000-8000-00000000000a', 'agency_owner', 'owner@acme.test', 'Acme Owner'),
    ('00000000-0000-4000-8000-0000000000a2', '00000000-0000-4000-8000-00000000000a', 'agency_admin', 'admin@acme.test', 'Acme Admin'),
    ('00000000-0000-4000-8000-0000000000a3', '00000000-0000-4000-8000-00000000000a', 'agency_member', 'member@acme.test', 'Acme Member'),
    ('00000000-0000-4000-8000-0000000000b1', '00000000-0000-4000-8000-00000000000b', 'agency_owner', 'owner@globex.test', 'Globex Owner'),
    ('00000000-0000-4000-8000-0000000000c1', null, 'agency_member', 'nobody@nowhere.test', 'Nobody')
) as person (id, agency_id, role, email, full_name);

select batchline.add_number('00000000-0000-4000-8000-00000000000a', '+14155550100');
select batchline.add_number('00000000-0000-4000-8000-00000000000b', '+12125550100');

insert into public.agent_mappings (id, agency_id, name, ultravox_agent_id, max_duration_seconds) values
  ('00000000-0000-4000-8000-0000000000d1', '00000000-0000-4000-8000-00000000000a', 'Sales Agent', '00000000-0000-4000-8000-0000000000e1', 600),
  ('00000000-0000-4000-8000-0000000000d2', '00000000-0000-4000-8000-00000000000b', 'Survey Agent', '00000000-0000-4000-8000-0000000000e2', 600)
on conflict (id) do nothing;

insert into public.campaigns (id, agency_id, name) values
  ('00000000-0000-4000-8000-0000000000f1', '00000000-0000-4000-8000-00000000000a', 'Q1 Outreach'),
  ('00000000-0000-4000-8000-0000000000f2', '00000000-0000-4000-8000-00000000000b', 'Spring Survey')
on conflict (id) do nothing;
