-- Packed seconds as a hypertable; a week is closed when no late agent is expected any more.
select create_hypertable('raw_packed', by_range('second', 604800), create_default_indexes => false, migrate_data => true);
create function raw_packed_now() returns integer language sql stable as
    $$ select (extract(epoch from now()) - 1577836800)::integer $$;
select set_integer_now_func('raw_packed', 'raw_packed_now');
alter table raw_packed set (
    timescaledb.enable_columnstore, timescaledb.segmentby = 'stream_no', timescaledb.orderby = 'second, arrival_idx'
);
call add_columnstore_policy('raw_packed', after => 604800);
