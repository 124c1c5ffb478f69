-- make_roles: the roles that the database is entered as; they own nothing, and come in only as entrances.py lets them
do $$
declare
    role text;
begin
    foreach role in array array['becalm_caller', 'becalm_gate', 'becalm_server'] loop
        if not exists (select from pg_roles where rolname = role) then
            begin
                execute format('create role %I nologin', role);
            exception when duplicate_object or unique_violation then
                null;  -- another server of this cluster was quicker
            end;
        end if;
        -- Since PostgreSQL 16 whoever made a role is a member of it, and yet may not become it.
        if not pg_has_role(
            current_user, role, case when current_setting('server_version_num')::int < 160000 then 'member' else 'set' end
        ) then
            execute format('grant %I to %I', role, current_user);
        end if;
    end loop;
end
$$

-- protect_tables: which role may do what with which rows; where nobody said for whom, a caller sees nothing
do $$
declare
    -- What the archive sets before each statement of a caller. Sub-selects: worked out once a statement, not once a row.
    people text := $p$any ((select string_to_array(current_setting('becalm.people', true), ','))::text[])$p$;
    person text := $p$(select current_setting('becalm.person', true))$p$;
    account text := $p$(select current_setting('becalm.account', true))$p$;
    accounts text := 'account_id in (select account_id from public.account)';
    rule record;
begin
    grant usage on schema public to becalm_caller, becalm_gate, becalm_server;
    for rule in
        select * from (
            values
            -- table, what a caller may do, with which rows, what the gate may do before it knows who calls
            ('session', 'select, insert', 'person_id = ' || people, 'select (session_id, person_id)'),
            ('device', 'select', 'person_id = ' || people, null),
            ('person', 'select, update (label)', 'person_id = ' || people, null),
            ('account', 'select (account_id, role, person_id, label, login, created_at, disabled_at)', format('account_id = %s or person_id = %s', account, person),
                'select, update (login, password_hash)'),
            ('access_device',
                'select (device_id, account_id, label, agent_id, is_local, created_at, seen_at, revoked_at), '
                'update (revoked_at)', accounts, 'select, insert, update (agent_id, seen_at)'),
            ('invitation', 'select (account_id, created_at, expires_at, used_at)', accounts,
                'select, update (used_at), delete'),
            ('login_family', 'select, update (revoked_at)', accounts, 'select, insert, update, delete'),
            ('refresh_token', null, null, 'select, insert, update, delete'),
            ('access_grant', 'select, insert, update (withdrawn_at)', 'person_id = ' || person, 'select'),
            ('consent', 'select, insert, update (withdrawn_at)', 'person_id = ' || person, 'select'),
            ('audit_entry', 'select', format($p$person_id = %1$s or person_id = 'everybody' and %1$s <> '' or %2$s$p$, person, accounts), 'select, insert'),
            ('erased_session', null, null, 'select')
        ) as named (name, caller_may, caller_sees, gate_may)
        union all
        select
            columns.table_name,
            -- The state of a pipeline is the server's own: of the session there is nothing in it but what is stored.
            case columns.table_name when 'annotation' then 'select, insert, delete' when 'live_state' then null else 'select' end,
            format('exists (select from public.session where session.session_id = %I.session_id)', columns.table_name),
            null
        from information_schema.columns
        join pg_class on pg_class.oid = format('public.%I', columns.table_name)::regclass and pg_class.relkind = 'r'
        where table_schema = 'public' and column_name = 'session_id'
            and columns.table_name not in ('session', 'raw_event', 'raw_packed', 'metrics')
    loop
        execute format('alter table %I enable row level security', rule.name);
        execute format('alter table %I force row level security', rule.name);
        execute format('revoke all on %I from becalm_caller, becalm_gate, becalm_server', rule.name);
        execute format('drop policy if exists keeper on %I', rule.name);
        execute format('create policy keeper on %I to current_user using (true) with check (true)', rule.name);
        execute format('drop policy if exists server on %I', rule.name);
        execute format('create policy server on %I to becalm_server using (true) with check (true)', rule.name);
        execute format('grant select, insert, update, delete on %I to becalm_server', rule.name);
        execute format('drop policy if exists caller on %I', rule.name);
        if rule.caller_may is not null then
            execute format('create policy caller on %I to becalm_caller using (%s)', rule.name, rule.caller_sees);
            execute format('grant %s on %I to becalm_caller', rule.caller_may, rule.name);
        end if;
        execute format('drop policy if exists gate on %I', rule.name);
        if rule.gate_may is not null then
            execute format('create policy gate on %I to becalm_gate using (true) with check (true)', rule.name);
            execute format('grant %s on %I to becalm_gate', rule.gate_may, rule.name);
        end if;
    end loop;
    revoke insert, update, delete on audit_entry from becalm_server;
    revoke all on raw_event, raw_packed, metrics from becalm_caller, becalm_gate, becalm_server;
    grant select, insert on raw_event to becalm_server;
    grant select on raw_packed to becalm_server;
    grant select, insert, delete on metrics to becalm_server;
end
$$

-- protect_large_tables: row security and the columnstore exclude each other, so callers see these through views alone
create schema if not exists seen;
grant usage on schema seen to becalm_caller;
drop view if exists seen.raw_event, seen.raw_packed, seen.metrics;
create view seen.raw_event with (security_barrier) as
select raw_event.* from public.raw_event
join public.stream using (stream_id)
join public.session using (session_id)
where person_id = any ((select string_to_array(current_setting('becalm.people', true), ','))::text[]);
create view seen.raw_packed with (security_barrier) as
select raw_packed.* from public.raw_packed
join public.stream using (stream_no)
join public.session using (session_id)
where person_id = any ((select string_to_array(current_setting('becalm.people', true), ','))::text[]);
create view seen.metrics with (security_barrier) as
select metrics.* from public.metrics
join public.session using (session_id)
where person_id = any ((select string_to_array(current_setting('becalm.people', true), ','))::text[]);
grant select on seen.raw_event, seen.raw_packed, seen.metrics to becalm_caller;

-- retire_reader: the role that read for callers before
do $$
begin
    if exists (select from pg_roles where rolname = 'becalm_reader') then
        drop owned by becalm_reader;
        drop role becalm_reader;
    end if;
end
$$
