-- Whose session it is; none where a household keeps its people not apart.
alter table session add column if not exists person_id text;
create index if not exists session_person on session (person_id, started_unix_ns desc) where person_id is not null;

-- The metrics of each session by day (UTC) and by part: where TimescaleDB is there, a continuous aggregate of the same
-- name, columns and numbers takes the place of this view.
create view metrics_day as
select
    date_bin('1 day', metrics.time, '2000-01-01 00:00+00') as day, metrics.session_id, metrics.pipeline_version,
    session.inhale_s is not null and metrics.t_ns >= session.baseline_s * 1000000000 as practice,
    count(*) as n_seconds,
    count(heart_rate_bpm) as heart_rate_bpm_n, avg(heart_rate_bpm) as heart_rate_bpm_mean,
    percentile_cont(0.5) within group (order by heart_rate_bpm) as heart_rate_bpm_median,
    count(rmssd_ms) as rmssd_ms_n, avg(rmssd_ms) as rmssd_ms_mean,
    percentile_cont(0.5) within group (order by rmssd_ms) as rmssd_ms_median,
    count(breathing_rate_bpm) as breathing_rate_bpm_n, avg(breathing_rate_bpm) as breathing_rate_bpm_mean,
    percentile_cont(0.5) within group (order by breathing_rate_bpm) as breathing_rate_bpm_median,
    count(scl_us) as scl_us_n, avg(scl_us) as scl_us_mean,
    percentile_cont(0.5) within group (order by scl_us) as scl_us_median,
    count(scr_per_min) as scr_per_min_n, avg(scr_per_min) as scr_per_min_mean,
    percentile_cont(0.5) within group (order by scr_per_min) as scr_per_min_median,
    count(arousal) as arousal_n, avg(arousal) as arousal_mean,
    percentile_cont(0.5) within group (order by arousal) as arousal_median
from metrics
join session on session.session_id = metrics.session_id
group by 1, 2, 3, 4;

-- One row a finished session and pipeline: what trends over sessions are read from. `ended_at` is that of the session when
-- the row was made: another one there says that the row is old.
create table trend (
    session_id       text not null references session on delete cascade,
    pipeline_version text not null,
    ended_at         timestamptz not null,
    n_intervals      integer not null,
    accepted_share   double precision,
    subsidence       jsonb,
    indices          jsonb not null,
    primary key (session_id, pipeline_version)
);
comment on column trend.n_intervals is 'of the source that told most intervals';
comment on column trend.accepted_share is 'how much of them carries indices; null without any';
comment on column trend.subsidence is 'as the last slow metrics tell it: {value, bound, sample_ns} or {reason}';
comment on column trend.indices is
    'index name -> baseline, practice -> {n: values, mean, median}; of a session over midnight UTC the median of an index '
    'of `metrics` is the mean of its days'' medians, weighted by n';
