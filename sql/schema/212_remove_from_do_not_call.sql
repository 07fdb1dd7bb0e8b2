-- From now on the numbers may be dialled again, by contacts that are added from now on: who was skipped stays skipped.
-- So whoever is still to be skipped has to be, before.
create function batchline.remove_from_do_not_call(p_user_id uuid, p_phone_numbers text[])
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_user public.users := batchline.require_user(p_user_id, true);
  v_removed int;
begin
  perform batchline.lock_agency(v_user.agency_id);
  if exists (
    select from public.do_not_call
    where agency_id = v_user.agency_id and skipping and phone_number = any (p_phone_numbers)
  ) then
    perform batchline.refuse(
      409, 'still_skipping',
      'Some of the numbers were listed a moment ago and people at them are still being skipped. Please try again in a minute.'
    );
  end if;
  delete from public.do_not_call
  where agency_id = v_user.agency_id
    and phone_number = any (p_phone_numbers || array(  -- erased people too
      select batchline.erased_number(v_user.agency_id, phone_number) from unnest(p_phone_numbers) as listed (phone_number)
    ));
  get diagnostics v_removed = row_count;
  return jsonb_build_object('removed', v_removed);
end;
$$;
