-- backup_tables: every table of ours, whoever added it: its columns, its key, its texts, and the tables it points to
select
    pg_class.oid::regclass::text as name,
    array(
        select attname::text from pg_attribute
        where attrelid = pg_class.oid and attnum > 0 and not attisdropped and attgenerated = ''
        order by attnum
    ) as columns,
    array(
        select attname::text
        from pg_index
        cross join lateral unnest(indkey) with ordinality as part (attnum, n)
        join pg_attribute on attrelid = indrelid and pg_attribute.attnum = part.attnum
        where indrelid = pg_class.oid and indisprimary
        order by n
    ) as key,
    array(
        select attname::text from pg_attribute
        where attrelid = pg_class.oid and attnum > 0 and not attisdropped and attcollation <> 0
    ) as texts,
    array(
        select distinct confrelid::regclass::text from pg_constraint
        where conrelid = pg_class.oid and contype = 'f' and confrelid <> conrelid
    ) as parents
from pg_class
join pg_namespace on pg_namespace.oid = relnamespace
where relkind in ('r', 'p') and not relispartition and nspname !~ '^(pg_|information_schema$|_?timescaledb)'
    and not exists (select from pg_depend where objid = pg_class.oid and classid = 'pg_class'::regclass and deptype = 'e')
order by 1

-- backup_sequences: where every counter of ours stands
select quote_ident(schemaname) || '.' || quote_ident(sequencename) as name, last_value
from pg_sequences
where schemaname !~ '^(pg_|information_schema$|_?timescaledb)'
order by 1

-- backup_migrations: which migrations made this schema
select name, sha256 from schema_migration where name not like '%%.timescale.sql' order by name

-- backup_triggers: our own triggers, which must not act on rows that come back
select tgrelid::regclass::text as table_name, tgname::text as name
from pg_trigger
join pg_class on pg_class.oid = tgrelid
join pg_namespace on pg_namespace.oid = relnamespace
join pg_proc on pg_proc.oid = tgfoid
where not tgisinternal and nspname !~ '^(pg_|information_schema$|_?timescaledb)'
    and pronamespace::regnamespace::text !~ '^_?timescaledb'
order by 1, 2

-- backup_hidden: our tables whose row security may keep rows from us
select pg_class.oid::regclass::text as name
from pg_class
join pg_namespace on pg_namespace.oid = relnamespace
where relkind in ('r', 'p') and nspname !~ '^(pg_|information_schema$|_?timescaledb)' and row_security_active(pg_class.oid)
    and (
        exists (select from pg_policy where polrelid = pg_class.oid and not polpermissive)
        or not exists (
            select from pg_policy
            cross join unnest(polroles) as allowed
            where polrelid = pg_class.oid and polcmd in ('*', 'r') and pg_get_expr(polqual, polrelid) = 'true'
                and (allowed = 0 or pg_has_role(allowed, 'usage'))
        )
    )
order by 1

-- backup_forced: our tables whose owner is under row security too
select pg_class.oid::regclass::text as table_name
from pg_class
join pg_namespace on pg_namespace.oid = relnamespace
where relforcerowsecurity and nspname !~ '^(pg_|information_schema$|_?timescaledb)'
order by 1

-- backup_sessions: all sessions, for their raw events
select session_id from session order by session_id collate "C"
