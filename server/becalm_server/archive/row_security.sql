-- missing_roles: what has to be done until the roles are there, and the owner may become them; they own nothing
select format('create role %%I nologin', name)
from unnest(%(names)s::text[]) as name
where not exists (select from pg_roles where rolname = name)
union all
select format('grant %%I to %%I', name, current_user)
from unnest(%(names)s::text[]) as name
left join pg_roles on rolname = name
-- Since PostgreSQL 16 whoever made a role is a member of it, and yet may not become it.
where not (select rolsuper from pg_roles where rolname = current_user) and not coalesce(pg_has_role(
    current_user, pg_roles.oid, case when current_setting('server_version_num')::int < 160000 then 'member' else 'set' end
), false)

-- state: all that protect_tables and protect_large_tables decide, as it stands, and what they decide it by
select
    current_user,
    (select array_agg(row(table_name, column_name)::text order by table_name, column_name)
        from information_schema.columns where table_schema = 'public'),
    (select array_agg(row(nspname, nspacl::text)::text order by nspname) from pg_namespace where nspname in ('public', 'seen')),
    (select array_agg(row(oid::regclass, relacl, relrowsecurity, relforcerowsecurity)::text order by oid)
        from pg_class where relnamespace in (select oid from pg_namespace where nspname in ('public', 'seen'))),
    (select array_agg(row(attrelid::regclass, attname, attacl)::text order by attrelid, attnum)
        from pg_attribute join pg_class on pg_class.oid = attrelid
        where attacl is not null and relnamespace = 'public'::regnamespace),
    (select array_agg(row(tablename, policyname, roles, cmd, qual, with_check)::text order by tablename, policyname)
        from pg_policies where schemaname = 'public')

-- visible: as a condition on person_id, what the archive sets before each statement of a caller
-- A sub-select: worked out once a statement, not once a row.
any ((select string_to_array(current_setting('becalm.people', true), ','))::text[])

-- protect_tables: which role may do what with which rows; where nobody said for whom, a caller sees nothing
do $$
declare
    people text := $p${visible}$p$;
    person text := $p$(select current_setting('becalm.person', true))$p$;
    account text := $p$(select current_setting('becalm.account', true))$p$;
    accounts text := 'account_id in (select account_id from public.account)';
    rule record;
begin
    grant usage on schema public to {caller}, {gate}, {server};
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
        execute format('revoke all on %I from {caller}, {gate}, {server}', rule.name);
        execute format('drop policy if exists keeper on %I', rule.name);
        execute format('create policy keeper on %I to current_user using (true) with check (true)', rule.name);
        execute format('drop policy if exists server on %I', rule.name);
        execute format('create policy server on %I to {server} using (true) with check (true)', rule.name);
        execute format('grant select, insert, update, delete on %I to {server}', rule.name);
        execute format('drop policy if exists caller on %I', rule.name);
        if rule.caller_may is not null then
            execute format('create policy caller on %I to {caller} using (%s)', rule.name, rule.caller_sees);
            execute format('grant %s on %I to {caller}', rule.caller_may, rule.name);
        end if;
        execute format('drop policy if exists gate on %I', rule.name);
        if rule.gate_may is not null then
            execute format('create policy gate on %I to {gate} using (true) with check (true)', rule.name);
            execute format('grant %s on %I to {gate}', rule.gate_may, rule.name);
        end if;
    end loop;
    revoke insert, update, delete on audit_entry from {server};
    revoke all on raw_event, raw_packed, metrics from {caller}, {gate}, {server};
    grant select, insert on raw_event to {server};
    grant select on raw_packed to {server};
    grant select, insert, delete on metrics to {server};
end
$$

-- protect_large_tables: row security and the columnstore exclude each other, so callers see these through views alone
create schema if not exists seen;
grant usage on schema seen to {caller};
drop view if exists seen.raw_event, seen.raw_packed, seen.metrics;
create view seen.raw_event with (security_barrier) as
select raw_event.* from public.raw_event
join public.stream using (stream_id)
join public.session using (session_id)
where person_id = {visible};
create view seen.raw_packed with (security_barrier) as
select raw_packed.* from public.raw_packed
join public.stream using (stream_no)
join public.session using (session_id)
where person_id = {visible};
create view seen.metrics with (security_barrier) as
select metrics.* from public.metrics
join public.session using (session_id)
where person_id = {visible};
grant select on seen.raw_event, seen.raw_packed, seen.metrics to {caller};

-- retire_roles: whoever else came in: the roles that all databases of a cluster once shared, those of a copied database
do $$
declare
    role text;
begin
    for role in
        select rolname from pg_roles
        where rolname ~ '^becalm_(reader|caller|gate|server)(_[0-9]+)?$'
            and rolname not in ('{caller}', '{gate}', '{server}')
    loop
        execute format('revoke all on all tables in schema public, seen from %I', role);
        execute format('revoke all on schema public, seen from %I', role);
        begin
            execute format('drop owned by %I', role);
        exception when insufficient_privilege then
            null;  -- somebody else made it
        end;
        if not exists (select from pg_database where role like '%\_' || oid) then
            begin
                execute format('drop role %I', role);
            exception when others then
                null;  -- another database still needs it, or another server was quicker
            end;
        end if;
    end loop;
end
$$
