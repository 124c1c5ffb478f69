-- The same columns and the same numbers as the plain view, kept up by TimescaleDB. Real time is asked for: what came after
-- the last refresh counts too. The first refresh offset is open, so that late and imported sessions are not left out.
drop view metrics_day;
create materialized view metrics_day with (timescaledb.continuous, timescaledb.materialized_only = false) as
select
    time_bucket('1 day', metrics.time) as day, metrics.session_id, metrics.pipeline_version,
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
group by 1, 2, 3, 4
with no data;
select add_continuous_aggregate_policy(
    'metrics_day', start_offset => null, end_offset => interval '1 day', schedule_interval => interval '1 hour'
);
