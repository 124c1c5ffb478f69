-- make_reader: the role that reads for callers; it owns nothing and may log in nowhere
do $$
begin
    if not exists (select from pg_roles where rolname = 'becalm_reader') then
        begin
            create role becalm_reader nologin;
        exception when duplicate_object or unique_violation then
            null;  -- another server of this cluster was quicker
        end;
    end if;
    -- Since PostgreSQL 16 whoever made a role is a member of it, and yet may not become it.
    if not pg_has_role(
        current_user, 'becalm_reader', case when current_setting('server_version_num')::int < 160000 then 'member' else 'set' end
    ) then
        execute format('grant becalm_reader to %I', current_user);
    end if;
end
$$

-- protect_tables: tables with a session, and that of sensors, show callers what they may see; nothing if nobody said whom
do $$
declare
    name text;
    sees text := $p$(select current_setting('becalm.people', true)) = '*'$p$;
    mine text := $p$any (string_to_array((select current_setting('becalm.people', true)), ','))$p$;
begin
    grant usage on schema public to becalm_reader;
    for name in
        select columns.table_name
        from information_schema.columns
        join pg_class on pg_class.oid = format('public.%I', columns.table_name)::regclass and pg_class.relkind = 'r'
        where table_schema = 'public'
            and (column_name = 'session_id' or columns.table_name = 'device' and column_name = 'person_id')
            and columns.table_name not in ('raw_event', 'raw_packed', 'metrics')
    loop
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
        execute format('grant select on %I to becalm_reader', name);
        execute format('drop policy if exists keeper on %I', name);
        execute format('create policy keeper on %I to current_user using (true) with check (true)', name);
        execute format('drop policy if exists reader on %I', name);
        if name in ('session', 'device') then
            execute format(
                'create policy reader on %I for select to becalm_reader using (%s or person_id = %s)', name, sees, mine
            );
        else
            execute format(
                'create policy reader on %I for select to becalm_reader '
                'using (%s or session_id in (select session_id from public.session))', name, sees
            );
        end if;
    end loop;
end
$$

-- protect_large_tables: row security and the columnstore exclude each other, so these are seen through views alone
create schema if not exists seen;
grant usage on schema seen to becalm_reader;
drop view if exists seen.raw_event, seen.raw_packed, seen.metrics;
create view seen.raw_event with (security_barrier) as
select * from public.raw_event
where (select current_setting('becalm.people', true)) = '*'
    or stream_id in (
        select stream_id from public.stream
        join public.session using (session_id)
        where person_id = any (string_to_array((select current_setting('becalm.people', true)), ','))
    );
create view seen.raw_packed with (security_barrier) as
select * from public.raw_packed
where (select current_setting('becalm.people', true)) = '*'
    or stream_no in (
        select stream_no from public.stream
        join public.session using (session_id)
        where person_id = any (string_to_array((select current_setting('becalm.people', true)), ','))
    );
create view seen.metrics with (security_barrier) as
select * from public.metrics
where (select current_setting('becalm.people', true)) = '*'
    or session_id in (
        select session_id from public.session
        where person_id = any (string_to_array((select current_setting('becalm.people', true)), ','))
    );
grant select on seen.raw_event, seen.raw_packed, seen.metrics to becalm_reader;
