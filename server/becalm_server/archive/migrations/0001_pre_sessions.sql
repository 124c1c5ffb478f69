-- Sessions, their raw events exactly as received, and everything derived from them.
-- Times on the session clock are bigint nanoseconds (t_ns); timestamptz appears only where people or partitions need it.

create table session (
    session_id      text primary key,
    agent_id        text,
    source          text not null,
    baseline_s      double precision not null,
    inhale_s        double precision,
    exhale_s        double precision,
    created_at      timestamptz not null default now(),
    started_unix_ns bigint,
    ended_at        timestamptz,
    duration_ns     bigint
);
create index session_created_at on session (created_at desc);

create table stream (
    stream_id      text primary key,
    session_id     text not null references session on delete cascade,
    position       integer not null,
    kind           text not null,
    unit           text not null,
    unit_per_count double precision not null,
    sample_rate_hz double precision,
    clock          text not null,
    device         text not null,
    acked_seq      bigint not null default 0,
    n_duplicates   bigint not null default 0
);
create index stream_session on stream (session_id);

-- One row for each event of an agent. `time` is session.started_unix_ns + received_ns: a pure function of what the
-- agent keeps in its spool, so the same event always has the same key. `arrival_idx` is the order in which the server
-- fed the events to the pipeline; replaying in this order gives the same derived values.
-- Rows hold a whole received block. Joining blocks into one row a second would save index space at high packet rates.
create table raw_event (
    stream_id        text not null references stream on delete cascade,
    seq              bigint not null,
    time             timestamptz not null,
    arrival_idx      bigint not null,
    form             text not null,
    received_ns      bigint not null,
    sensor_ns        bigint,
    first_sample_idx bigint,
    n_samples        integer not null,
    body             bytea not null,
    primary key (stream_id, seq, time)
);
comment on column raw_event.form is
    'i2, i4: little-endian samples; rr: flags byte (1 rate sent, 2 contact known, 4 in contact), uint16 bpm, uint16 RR '
    'ticks of 1/1024 s, little-endian; otherwise the event type, body in JSON';

create table beat (
    session_id       text not null references session on delete cascade,
    pipeline_version text not null,
    source           text not null,
    beat_idx         bigint not null,
    t_ns             bigint not null,
    emitted_ns       bigint not null,
    rr_ms            double precision,
    rr_corrected_ms  double precision,
    flag             text not null,
    primary key (session_id, pipeline_version, source, beat_idx)
);
create index beat_time on beat (session_id, t_ns);

-- kind: in, out (breathing turned) or breath (one whole breath, with rate and depth).
create table breath (
    session_id         text not null references session on delete cascade,
    pipeline_version   text not null,
    t_ns               bigint not null,
    kind               text not null,
    emitted_ns         bigint not null,
    breathing_rate_bpm double precision,
    depth              double precision,
    primary key (session_id, pipeline_version, t_ns, kind)
);

create table skin_response (
    session_id       text not null references session on delete cascade,
    pipeline_version text not null,
    onset_ns         bigint not null,
    peak_ns          bigint not null,
    emitted_ns       bigint not null,
    amplitude_us     double precision not null,
    primary key (session_id, pipeline_version, onset_ns)
);

create table signal_quality (
    session_id       text not null references session on delete cascade,
    pipeline_version text not null,
    t_ns             bigint not null,
    kind             text not null,
    emitted_ns       bigint not null,
    reason           text,
    primary key (session_id, pipeline_version, t_ns, kind)
);

-- One row a second of the four a second that clients see.
create table metrics (
    session_id                   text not null references session on delete cascade,
    pipeline_version             text not null,
    t_ns                         bigint not null,
    time                         timestamptz not null,
    emitted_ns                   bigint not null,
    heart_rate_bpm               double precision,
    heart_rate_bpm_bound         double precision,
    heart_rate_bpm_reason        text,
    heart_rate_bpm_sample_ns     bigint,
    rmssd_ms                     double precision,
    rmssd_ms_bound               double precision,
    rmssd_ms_reason              text,
    rmssd_ms_sample_ns           bigint,
    breathing_rate_bpm           double precision,
    breathing_rate_bpm_bound     double precision,
    breathing_rate_bpm_reason    text,
    breathing_rate_bpm_sample_ns bigint,
    scl_us                       double precision,
    scl_us_bound                 double precision,
    scl_us_reason                text,
    scl_us_sample_ns             bigint,
    scr_per_min                  double precision,
    scr_per_min_bound            double precision,
    scr_per_min_reason           text,
    scr_per_min_sample_ns        bigint,
    arousal                      double precision,
    arousal_bound                double precision,
    arousal_reason               text,
    arousal_sample_ns            bigint,
    primary key (session_id, pipeline_version, t_ns, time)
);

-- emitted_ns is the session time at which the slow lane had its result: its own delay is emitted_ns - t_ns.
create table hrv_window (
    session_id       text not null references session on delete cascade,
    pipeline_version text not null,
    t_ns             bigint not null,
    window_s         double precision not null,
    emitted_ns       bigint not null,
    n_beats          integer not null,
    indices          jsonb not null,
    primary key (session_id, pipeline_version, t_ns, window_s)
);

create table phase_change (
    session_id       text not null references session on delete cascade,
    t_ns             bigint not null,
    phase            text not null,
    pacer_started_ns bigint,
    inhale_s         double precision,
    exhale_s         double precision,
    primary key (session_id, t_ns, phase)
);

create table report (
    session_id       text primary key references session on delete cascade,
    pipeline_version text not null,
    created_at       timestamptz not null default now(),
    body             jsonb not null
);
