-- select_untrended: ended sessions whose trend is not kept, or of an earlier end
select session_id from session
where ended_at is not null
    and started_unix_ns is not null
    and not exists (
        select from trend where trend.session_id = session.session_id and trend.ended_at = session.ended_at
    )
    and session_id <> all(%(put_off)s)
order by ended_at desc
limit %(limit)s

-- session_versions: which pipelines left derived values of a session
select pipeline_version from metrics where session_id = %(session_id)s
union
select pipeline_version from beat where session_id = %(session_id)s
union
select pipeline_version from breath where session_id = %(session_id)s
union
select pipeline_version from skin_response where session_id = %(session_id)s

-- window_versions: during which pipelines the slow lane left windows of a session
select distinct pipeline_version from hrv_window where session_id = %(session_id)s

-- has_timescale: whether the days of metrics are a continuous aggregate
select from pg_extension where extname = 'timescaledb'

-- session_days: the days before today that sessions touched, for TimescaleDB to count anew
select
    min(date_trunc('day', time)) as first_day,
    least(max(date_trunc('day', time)) + interval '1 day', date_trunc('day', now())) as end_day
from metrics
where session_id = any(%(session_ids)s)

-- refresh_days: let TimescaleDB count these days anew; never today, or what is still to come today would be hidden
call refresh_continuous_aggregate('metrics_day', %(first_day)s::timestamptz, %(end_day)s::timestamptz)

-- keep_trend: what a finished session was like, by one pipeline
insert into trend (session_id, pipeline_version, ended_at, n_intervals, accepted_share, subsidence, indices)
with told as (
    select name, practice, sum(n) as n, sum(n * mean) / sum(n) as mean, sum(n * median) / sum(n) as median
    from metrics_day
    cross join lateral (
        values ('heart_rate_bpm', heart_rate_bpm_n, heart_rate_bpm_mean, heart_rate_bpm_median),
            ('rmssd_ms', rmssd_ms_n, rmssd_ms_mean, rmssd_ms_median),
            ('breathing_rate_bpm', breathing_rate_bpm_n, breathing_rate_bpm_mean, breathing_rate_bpm_median),
            ('scl_us', scl_us_n, scl_us_mean, scl_us_median),
            ('scr_per_min', scr_per_min_n, scr_per_min_mean, scr_per_min_median),
            ('arousal', arousal_n, arousal_mean, arousal_median)
    ) as one (name, n, mean, median)
    where session_id = %(session_id)s and pipeline_version = %(pipeline_version)s and n > 0
    group by name, practice
    union all
    select
        one.key, session.inhale_s is not null and t_ns >= session.baseline_s * 1000000000, count(*),
        avg((one.value ->> 'value')::double precision),
        percentile_cont(0.5) within group (order by (one.value ->> 'value')::double precision)
    from slow_metrics
    join session using (session_id)
    cross join lateral jsonb_each(slow_metrics.indices) as one
    where session_id = %(session_id)s and pipeline_version = %(pipeline_version)s and one.value ? 'value'
        and one.key not in ('subsidence', 'half_life_s')
    group by 1, 2
),
parts as (
    select
        name,
        jsonb_object_agg(
            case when practice then 'practice' else 'baseline' end,
            jsonb_build_object('n', n, 'mean', round(mean::numeric, 4), 'median', round(median::numeric, 4))
        ) as part
    from told
    group by name
),
intervals as (
    select count(rr_ms) as n, count(rr_ms) filter (where flag = 'ok') as n_accepted
    from beat
    where session_id = %(session_id)s and pipeline_version = %(pipeline_version)s
    group by source
    order by 1 desc, 2 desc
    limit 1
)
select
    session_id, %(pipeline_version)s, ended_at,
    coalesce((select n from intervals), 0),
    (select n_accepted::double precision / nullif(n, 0) from intervals),
    (
        select slow_metrics.indices -> 'subsidence' from slow_metrics
        where slow_metrics.session_id = session.session_id and pipeline_version = %(pipeline_version)s
        order by t_ns desc
        limit 1
    ),
    coalesce((select jsonb_object_agg(name, part) from parts), '{}')
from session
where session_id = %(session_id)s and ended_at is not null
on conflict (session_id, pipeline_version) do update
set ended_at = excluded.ended_at, n_intervals = excluded.n_intervals, accepted_share = excluded.accepted_share,
    subsidence = excluded.subsidence, indices = excluded.indices

-- select_trends: finished sessions one after another, each by today's pipeline or the last one that ran, newest first
select
    session.session_id, session.person_id, session.source, session.created_at, session.started_unix_ns,
    session.duration_ns, session.baseline_s, kept.pipeline_version, kept.n_intervals, kept.accepted_share,
    kept.subsidence, kept.indices
from session
join lateral (
    select * from trend
    where trend.session_id = session.session_id
    order by pipeline_version = %(pipeline_version)s desc, length(pipeline_version) desc, pipeline_version desc
    limit 1
) as kept on true
where (%(people)s::text[] is null or session.person_id = any(%(people)s))
    and (%(since)s::timestamptz is null or session.started_unix_ns >= extract(epoch from %(since)s::timestamptz) * 1e9)
order by session.started_unix_ns desc
limit %(limit)s

-- select_unpacked: sessions that ended some time ago and have events that are not packed
select session_id from session
where ended_at < now() - %(settled_s)s * interval '1 second'
    and started_unix_ns is not null
    and exists (select from stream where stream.session_id = session.session_id and acked_seq > packed_seq)
    and session_id <> all(%(put_off)s)
order by ended_at
limit %(limit)s

-- claim_session: one process at a time packs a session; given back with the connection
select pg_try_advisory_lock(%(key)s, hashtext(%(session_id)s)) as claimed

-- delete_packed: the events that packed rows take the place of
delete from raw_event
where stream_id = %(stream_id)s and seq > %(mark)s and seq <= %(new_mark)s and form = any(%(forms)s)

-- insert_packed: joined events, in the transaction that takes the single ones away
insert into raw_packed (
    stream_no, second, arrival_idx, seq, first_sample_idx, received_ns, sensor_ns, placed_us, n_samples, n_events, form,
    body, side
)
select * from unnest(
    %(stream_no)b::integer[], %(second)b::integer[], %(arrival_idx)b::bigint[], %(seq)b::bigint[],
    %(first_sample_idx)b::bigint[], %(received_ns)b::bigint[], %(sensor_ns)b::bigint[], %(placed_us)b::integer[],
    %(n_samples)b::integer[], %(n_events)b::smallint[], %(form)b::text[], %(body)b::bytea[], %(side)b::bytea[]
)

-- move_mark: up to where a stream is packed, in the same transaction
update stream set packed_seq = %(new_mark)s where stream_id = %(stream_id)s and packed_seq = %(mark)s

-- select_window: the sample rows of a stream that were received in a window, in no order: one row for all of a kind
select
    true as packed, form, array_agg(second) as seconds, array_agg(placed_us) as placed_us, null::bigint[] as received_ns,
    array_agg(n_samples) as n_samples, array_agg(body) as bodies
from raw_packed
where stream_no = %(stream_no)s and second between %(low_second)s and %(high_second)s
    and form in ('i2', 'i4') and placed_us is not null
group by form
union all
select
    false, form, null, null, array_agg(received_ns), array_agg(n_samples), array_agg(body)
from raw_event
where stream_id = %(stream_id)s and received_ns between %(low_ns)s and %(high_ns)s
    and time between 'epoch'::timestamptz + ((%(started_unix_ns)s + %(low_ns)s) / 1000) * interval '1 microsecond'
        and 'epoch'::timestamptz + ((%(started_unix_ns)s + %(high_ns)s) / 1000) * interval '1 microsecond'
    and form in ('i2', 'i4')
group by form

-- select_sample_stream: a stream of samples, and start and duration of its session
select stream.*, session.started_unix_ns, session.duration_ns
from stream
join session using (session_id)
where stream_id = %(stream_id)s and session_id = %(session_id)s
    and sample_rate_hz is not null and started_unix_ns is not null

-- select_finished: sessions that ended, the oldest first
select session_id from session where ended_at is not null and started_unix_ns is not null order by created_at

-- select_outlived: sessions whose second-by-second indices are older than the operator wants to keep
select session_id from session
where ended_at < now() - %(days)s * interval '1 day'
    and (
        exists (select from metrics where metrics.session_id = session.session_id)
        or exists (select from slow_metrics where slow_metrics.session_id = session.session_id)
    )
    and session_id <> all(%(put_off)s)
limit %(limit)s

-- forget_metrics: the indices of a session, in one statement; raw events, beats, breaths and its trend stay
with slow as (delete from slow_metrics where session_id = %(session_id)s)
delete from metrics where session_id = %(session_id)s
