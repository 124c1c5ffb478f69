-- Indices of longer windows, every five seconds; the slow companion of `metrics`, read whole, so one document a row.
create table slow_metrics (
    session_id       text not null references session on delete cascade,
    pipeline_version text not null,
    t_ns             bigint not null,
    emitted_ns       bigint not null,
    heart_source     text,
    breath_source    text,
    indices          jsonb not null,
    primary key (session_id, pipeline_version, t_ns)
);
comment on column slow_metrics.indices is 'index name -> {value, bound, sample_ns} or {reason}';

-- The half recovery of a response is known seconds after the response itself was told and stored.
create table skin_recovery (
    session_id       text not null references session on delete cascade,
    pipeline_version text not null,
    onset_ns         bigint not null,
    recovered_ns     bigint not null,
    emitted_ns       bigint not null,
    primary key (session_id, pipeline_version, onset_ns)
);

-- kind: in, out, breath, or pause (a hold or an apnoea, until end_ns).
alter table breath add column source text, add column end_ns bigint;
