-- Raw events of finished sessions, joined: a row for each second of a strap's ECG, for some seconds of slower streams, for
-- each minute of intervals. Their blocks can be taken apart again exactly; raw_event keeps what is not packed yet, and all other events.
alter table stream
    add column stream_no integer generated always as identity unique,
    add column packed_seq bigint not null default 0;
comment on column stream.packed_seq is 'samples and intervals up to here are in raw_packed, not in raw_event';

create table raw_packed (
    stream_no        integer not null references stream (stream_no) on delete cascade,
    second           integer not null,
    arrival_idx      bigint not null,
    seq              bigint not null,
    first_sample_idx bigint,
    received_ns      bigint not null,
    sensor_ns        bigint,
    placed_us        integer,
    n_samples        integer not null,
    n_events         smallint not null,
    form             text not null,
    body             bytea not null,
    side             bytea not null,
    primary key (stream_no, second, arrival_idx)
);
comment on column raw_packed.second is 'seconds since 2020-01-01 UTC at which these events were received';
comment on column raw_packed.arrival_idx is
    'of the first event in it, as are seq, first_sample_idx, received_ns and sensor_ns';
comment on column raw_packed.placed_us is 'session time of the first sample, as the pipeline placed it, from the start of that second';
comment on column raw_packed.form is 'i2, i4 or rr, as in raw_event';
comment on column raw_packed.body is 'the bodies of the events, one after another, deflated, see packed_bodies.py';
comment on column raw_packed.side is 'what else the other events hold, see packed_rows.py';
