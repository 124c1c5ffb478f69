-- The two tables that grow with time become hypertables; chunks of 7 days keep a session in one or two of them.
select create_hypertable('raw_event', by_range('time', interval '7 days'), create_default_indexes => false, migrate_data => true);
select create_hypertable('metrics', by_range('time', interval '7 days'), create_default_indexes => false, migrate_data => true);

-- Finished weeks go to the columnstore. Erasure stays a DELETE for one stream or session: those are the segments.
alter table raw_event set (
    timescaledb.enable_columnstore, timescaledb.segmentby = 'stream_id', timescaledb.orderby = 'time, seq'
);
alter table metrics set (
    timescaledb.enable_columnstore, timescaledb.segmentby = 'session_id', timescaledb.orderby = 'time'
);
call add_columnstore_policy('raw_event', after => interval '7 days');
call add_columnstore_policy('metrics', after => interval '7 days');
