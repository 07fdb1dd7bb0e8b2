create table public.agency_phone_numbers (
  id uuid primary key default gen_random_uuid(),
  agency_id uuid not null references public.agencies (id),
  phone_number text not null,
  provider text not null default 'twilio',
  sip_domain text,
  active boolean not null default true,
  created_at timestamptz not null default batchline.clock(),
  constraint phone_number_is_unique_per_agency unique (agency_id, phone_number),
  constraint phone_number_is_e164 check (phone_number ~ '^\+[1-9][0-9]{6,14}$'),
  constraint provider_is_known check (provider in ('twilio', 'telnyx', 'plivo', 'sip')),
  constraint sip_domain_exactly_for_sip check ((provider = 'sip') = (sip_domain is not null))
);
comment on table public.agency_phone_numbers is 'Caller ids, and the carrier the provider dials through.';
