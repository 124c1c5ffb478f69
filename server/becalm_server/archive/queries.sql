-- insert_session: a client started a session, or an agent opened one unasked
insert into session (session_id, agent_id, person_id, source, baseline_s, inhale_s, exhale_s, started_unix_ns)
values (
    %(session_id)s, %(agent_id)s, %(person_id)s, %(source)s, %(baseline_s)s, %(inhale_s)s, %(exhale_s)s,
    %(started_unix_ns)s
)
returning *

-- begin_session: the agent opened it; the first start that is told counts for ever
update session
set started_unix_ns = coalesce(started_unix_ns, %(started_unix_ns)s), agent_id = %(agent_id)s, source = %(source)s,
    inhale_s = %(inhale_s)s, exhale_s = %(exhale_s)s
where session_id = %(session_id)s
returning *

-- insert_stream: one signal of a session; known ones stay as they are
insert into stream
    (stream_id, session_id, position, kind, unit, unit_per_count, sample_rate_hz, clock, device)
values (%(stream_id)s, %(session_id)s, %(position)s, %(kind)s, %(unit)s, %(unit_per_count)s, %(sample_rate_hz)s,
    %(clock)s, %(device)s)
on conflict do nothing

-- end_session: nothing more will come, and nobody goes on from where its pipeline was; the first end that is told counts
with gone as (delete from live_state where session_id = %(session_id)s)
update session
set ended_at = coalesce(ended_at, now()), duration_ns = %(duration_ns)s
where session_id = %(session_id)s
returning *

-- select_session: one session
select * from session where session_id = %(session_id)s

-- select_unfinished: recent sessions that have not ended, the oldest first
select * from session
where ended_at is null and created_at > now() - %(max_age_s)s * interval '1 second'
order by created_at

-- select_abandoned: sessions that have not ended, and of which nothing came for so long, the oldest first
select session.* from session
where ended_at is null
    and greatest(
        created_at,
        to_timestamp((started_unix_ns + (
            select coalesce(max(last_ns), 0) from stream where stream.session_id = session.session_id
        )) / 1e9)
    ) < now() - %(silent_s)s * interval '1 second'
order by created_at

-- mark_closed_by_server: nobody else did
update session set closed_by_server = true where session_id = %(session_id)s

-- select_reportless: ended sessions whose report was never made, newest first
select session_id from session
where ended_at is not null
    and not exists (select from report where report.session_id = session.session_id)
    and exists (select from stream where stream.session_id = session.session_id and acked_seq > 0)
order by ended_at desc
limit %(limit)s

-- select_streams: the streams of a session in the order the agent named them
select * from stream where session_id = %(session_id)s order by position

-- select_stream_owner: which sessions these streams belong to
select stream_id, session_id from stream where stream_id = any(%(stream_ids)s)

-- select_raw: the raw events of a session, or of one of its streams; packed rows stand where their first event was accepted
-- (array(...): only what is worked out beforehand goes into a barrier view, where it finds the rows by their index)
select
    raw_event.stream_id, seq, arrival_idx, form, received_ns, sensor_ns, first_sample_idx, n_samples, body,
    null::smallint as n_events, null::bytea as side
from raw_event
where stream_id = any (array(
    select stream_id from stream
    where session_id = %(session_id)s and (%(stream_id)s::text is null or stream_id = %(stream_id)s)
))
union all
select
    stream.stream_id, seq, arrival_idx, form, received_ns, sensor_ns, first_sample_idx, n_samples, body, n_events, side
from raw_packed
join stream using (stream_no)
where raw_packed.stream_no = any (array(
    select stream_no from stream
    where session_id = %(session_id)s and (%(stream_id)s::text is null or stream_id = %(stream_id)s)
))
order by arrival_idx

-- hold_sessions: which of these sessions there are; none of them is erased before this transaction ends
select session_id from session where session_id = any(%(session_ids)s) order by session_id for key share

-- insert_raw: events exactly as received; known ones are left alone
insert into raw_event (
    time, stream_id, seq, arrival_idx, form, received_ns, sensor_ns, first_sample_idx, n_samples, body
)
select
    'epoch'::timestamptz + ((session.started_unix_ns + received_ns) / 1000) * interval '1 microsecond',
    new.stream_id, seq, arrival_idx, form, received_ns, sensor_ns, first_sample_idx, n_samples, body
from unnest(
    %(stream_id)b::text[], %(seq)b::bigint[], %(arrival_idx)b::bigint[], %(form)b::text[], %(received_ns)b::bigint[],
    %(sensor_ns)b::bigint[], %(first_sample_idx)b::bigint[], %(n_samples)b::integer[], %(body)b::bytea[]
) as new (stream_id, seq, arrival_idx, form, received_ns, sensor_ns, first_sample_idx, n_samples, body)
join stream on stream.stream_id = new.stream_id and stream.packed_seq < new.seq
join session on session.session_id = stream.session_id
on conflict do nothing

-- update_acks: how far each stream is committed, in the transaction that commits it
update stream
set acked_seq = greatest(acked_seq, new.seq), n_duplicates = greatest(stream.n_duplicates, new.n_duplicates),
    first_ns = least(stream.first_ns, new.first_ns), last_ns = greatest(stream.last_ns, new.last_ns),
    last_idx = greatest(stream.last_idx, new.last_idx)
from unnest(
    %(stream_id)b::text[], %(seq)b::bigint[], %(n_duplicates)b::bigint[], %(first_ns)b::bigint[],
    %(last_ns)b::bigint[], %(last_idx)b::bigint[]
) as new (stream_id, seq, n_duplicates, first_ns, last_ns, last_idx)
where stream.stream_id = new.stream_id

-- insert_beats: confirmed beats
insert into beat (
    session_id, pipeline_version, source, beat_idx, t_ns, emitted_ns, rr_ms, rr_corrected_ms, flag, t_error_ms,
    rr_error_ms
)
select * from unnest(
    %(session_id)b::text[], %(pipeline_version)b::text[], %(source)b::text[], %(beat_idx)b::bigint[],
    %(t_ns)b::bigint[], %(emitted_ns)b::bigint[], %(rr_ms)b::double precision[],
    %(rr_corrected_ms)b::double precision[], %(flag)b::text[], %(t_error_ms)b::double precision[],
    %(rr_error_ms)b::double precision[]
)
on conflict do nothing

-- insert_breaths: turns of breathing, whole breaths and pauses
insert into breath (session_id, pipeline_version, t_ns, end_ns, kind, source, emitted_ns, breathing_rate_bpm, depth)
select * from unnest(
    %(session_id)b::text[], %(pipeline_version)b::text[], %(t_ns)b::bigint[], %(end_ns)b::bigint[], %(kind)b::text[],
    %(source)b::text[], %(emitted_ns)b::bigint[], %(breathing_rate_bpm)b::double precision[],
    %(depth)b::double precision[]
)
on conflict do nothing

-- insert_responses: skin-conductance responses
insert into skin_response (session_id, pipeline_version, onset_ns, peak_ns, emitted_ns, amplitude_us)
select * from unnest(
    %(session_id)b::text[], %(pipeline_version)b::text[], %(onset_ns)b::bigint[], %(peak_ns)b::bigint[],
    %(emitted_ns)b::bigint[], %(amplitude_us)b::double precision[]
)
on conflict do nothing

-- insert_recoveries: when responses had fallen back by half
insert into skin_recovery (session_id, pipeline_version, onset_ns, recovered_ns, emitted_ns)
select * from unnest(
    %(session_id)b::text[], %(pipeline_version)b::text[], %(onset_ns)b::bigint[], %(recovered_ns)b::bigint[],
    %(emitted_ns)b::bigint[]
)
on conflict do nothing

-- insert_slow_metrics: indices of longer windows
insert into slow_metrics (session_id, pipeline_version, t_ns, emitted_ns, heart_source, breath_source, indices)
select session_id, pipeline_version, t_ns, emitted_ns, heart_source, breath_source, indices::jsonb from unnest(
    %(session_id)b::text[], %(pipeline_version)b::text[], %(t_ns)b::bigint[], %(emitted_ns)b::bigint[],
    %(heart_source)b::text[], %(breath_source)b::text[], %(indices)b::text[]
) as new (session_id, pipeline_version, t_ns, emitted_ns, heart_source, breath_source, indices)
on conflict do nothing

-- insert_quality: from when on a signal can or cannot carry indices
insert into signal_quality (session_id, pipeline_version, t_ns, kind, emitted_ns, reason, caution)
select * from unnest(
    %(session_id)b::text[], %(pipeline_version)b::text[], %(t_ns)b::bigint[], %(kind)b::text[],
    %(emitted_ns)b::bigint[], %(reason)b::text[], %(caution)b::text[]
)
on conflict do nothing

-- insert_windows: the slow lane's windows
insert into hrv_window (session_id, pipeline_version, t_ns, window_s, emitted_ns, n_beats, indices, withheld)
select session_id, pipeline_version, t_ns, window_s, emitted_ns, n_beats, indices::jsonb, withheld::jsonb from unnest(
    %(session_id)b::text[], %(pipeline_version)b::text[], %(t_ns)b::bigint[], %(window_s)b::double precision[],
    %(emitted_ns)b::bigint[], %(n_beats)b::integer[], %(indices)b::text[], %(withheld)b::text[]
) as new (session_id, pipeline_version, t_ns, window_s, emitted_ns, n_beats, indices, withheld)
on conflict do nothing

-- insert_phases: the schedule of a session
insert into phase_change (session_id, t_ns, phase, pacer_started_ns, inhale_s, exhale_s)
select * from unnest(
    %(session_id)b::text[], %(t_ns)b::bigint[], %(phase)b::text[], %(pacer_started_ns)b::bigint[],
    %(inhale_s)b::double precision[], %(exhale_s)b::double precision[]
)
on conflict do nothing

-- insert_metrics: one row of all indices for each second
insert into metrics (
    time, session_id, pipeline_version, t_ns, emitted_ns, heart_rate_bpm, heart_rate_bpm_bound,
    heart_rate_bpm_reason, heart_rate_bpm_sample_ns, rmssd_ms, rmssd_ms_bound, rmssd_ms_reason,
    rmssd_ms_sample_ns, breathing_rate_bpm, breathing_rate_bpm_bound, breathing_rate_bpm_reason,
    breathing_rate_bpm_sample_ns, scl_us, scl_us_bound, scl_us_reason, scl_us_sample_ns, scr_per_min,
    scr_per_min_bound, scr_per_min_reason, scr_per_min_sample_ns, arousal, arousal_bound, arousal_reason,
    arousal_sample_ns, arousal_from
)
select
    'epoch'::timestamptz + ((session.started_unix_ns + t_ns) / 1000) * interval '1 microsecond',
    new.session_id, pipeline_version, t_ns, emitted_ns, heart_rate_bpm, heart_rate_bpm_bound,
    heart_rate_bpm_reason, heart_rate_bpm_sample_ns, rmssd_ms, rmssd_ms_bound, rmssd_ms_reason,
    rmssd_ms_sample_ns, breathing_rate_bpm, breathing_rate_bpm_bound, breathing_rate_bpm_reason,
    breathing_rate_bpm_sample_ns, scl_us, scl_us_bound, scl_us_reason, scl_us_sample_ns, scr_per_min,
    scr_per_min_bound, scr_per_min_reason, scr_per_min_sample_ns, arousal, arousal_bound, arousal_reason,
    arousal_sample_ns, arousal_from
from unnest(
    %(session_id)b::text[], %(pipeline_version)b::text[], %(t_ns)b::bigint[], %(emitted_ns)b::bigint[],
    %(heart_rate_bpm)b::double precision[], %(heart_rate_bpm_bound)b::double precision[],
    %(heart_rate_bpm_reason)b::text[], %(heart_rate_bpm_sample_ns)b::bigint[], %(rmssd_ms)b::double precision[],
    %(rmssd_ms_bound)b::double precision[], %(rmssd_ms_reason)b::text[], %(rmssd_ms_sample_ns)b::bigint[],
    %(breathing_rate_bpm)b::double precision[], %(breathing_rate_bpm_bound)b::double precision[],
    %(breathing_rate_bpm_reason)b::text[], %(breathing_rate_bpm_sample_ns)b::bigint[],
    %(scl_us)b::double precision[], %(scl_us_bound)b::double precision[], %(scl_us_reason)b::text[],
    %(scl_us_sample_ns)b::bigint[], %(scr_per_min)b::double precision[],
    %(scr_per_min_bound)b::double precision[], %(scr_per_min_reason)b::text[],
    %(scr_per_min_sample_ns)b::bigint[], %(arousal)b::double precision[], %(arousal_bound)b::double precision[],
    %(arousal_reason)b::text[], %(arousal_sample_ns)b::bigint[], %(arousal_from)b::text[]
) as new (
    session_id, pipeline_version, t_ns, emitted_ns, heart_rate_bpm, heart_rate_bpm_bound, heart_rate_bpm_reason,
    heart_rate_bpm_sample_ns, rmssd_ms, rmssd_ms_bound, rmssd_ms_reason, rmssd_ms_sample_ns, breathing_rate_bpm,
    breathing_rate_bpm_bound, breathing_rate_bpm_reason, breathing_rate_bpm_sample_ns, scl_us, scl_us_bound,
    scl_us_reason, scl_us_sample_ns, scr_per_min, scr_per_min_bound, scr_per_min_reason, scr_per_min_sample_ns,
    arousal, arousal_bound, arousal_reason, arousal_sample_ns, arousal_from
)
join session on session.session_id = new.session_id
on conflict do nothing

-- upsert_report: the slow lane's report of a session
insert into report (session_id, pipeline_version, body)
values (%(session_id)s, %(pipeline_version)s, %(body)s::text::jsonb)
on conflict (session_id) do update
set pipeline_version = excluded.pipeline_version, body = excluded.body, created_at = now()

-- select_report: the report of a session
select session_id, pipeline_version, created_at, body from report where session_id = %(session_id)s

-- select_beats: beats after a time, by today's pipeline or the one that ran
select source, beat_idx, t_ns, emitted_ns, rr_ms, rr_corrected_ms, flag, t_error_ms, rr_error_ms
from beat
where session_id = %(session_id)s and pipeline_version = %(pipeline_version)s and t_ns > %(since_ns)s
order by t_ns, source
limit %(limit)s

-- select_session_beats: all beats of a session
select source, t_ns, rr_ms, rr_corrected_ms, flag
from beat
where session_id = %(session_id)s and pipeline_version = %(pipeline_version)s
order by t_ns

-- select_breaths: turns, breaths and pauses after a time
select t_ns, end_ns, kind, source, emitted_ns, breathing_rate_bpm, depth
from breath
where session_id = %(session_id)s and pipeline_version = %(pipeline_version)s and t_ns > %(since_ns)s
order by t_ns, kind
limit %(limit)s

-- select_responses: skin-conductance responses after a time
select
    onset_ns as t_ns, onset_ns, peak_ns, skin_response.emitted_ns, amplitude_us, skin_recovery.recovered_ns
from skin_response
left join skin_recovery using (session_id, pipeline_version, onset_ns)
where session_id = %(session_id)s and pipeline_version = %(pipeline_version)s and onset_ns > %(since_ns)s
order by onset_ns
limit %(limit)s

-- select_metrics: indices after a time, one row a second
select *
from metrics
where session_id = %(session_id)s and pipeline_version = %(pipeline_version)s and t_ns > %(since_ns)s
order by t_ns
limit %(limit)s

-- select_slow_metrics: indices of longer windows after a time
select t_ns, emitted_ns, heart_source, breath_source, indices
from slow_metrics
where session_id = %(session_id)s and pipeline_version = %(pipeline_version)s and t_ns > %(since_ns)s
order by t_ns
limit %(limit)s

-- select_windows: the slow lane's windows after a time
select t_ns, window_s, emitted_ns, n_beats, indices, withheld
from hrv_window
where session_id = %(session_id)s and pipeline_version = %(pipeline_version)s and t_ns > %(since_ns)s
order by t_ns, window_s
limit %(limit)s

-- select_counts: what is stored of each stream, for anybody who wants to account for losses
select
    stream.stream_id, stream.kind, stream.device, stream.acked_seq, stream.n_duplicates,
    held.n_events + packed.n_events as n_events, held.n_distinct_seq + packed.n_events as n_distinct_seq,
    held.n_samples + packed.n_samples as n_samples, held.n_gaps, held.n_dropped
from stream
cross join lateral (
    select
        count(*) as n_events, count(distinct seq) as n_distinct_seq, coalesce(sum(n_samples), 0) as n_samples,
        count(*) filter (where form = 'gap') as n_gaps, count(*) filter (where form = 'dropped') as n_dropped
    from raw_event
    where raw_event.stream_id = stream.stream_id
) as held
cross join lateral (
    select coalesce(sum(n_events), 0) as n_events, coalesce(sum(n_samples), 0) as n_samples
    from raw_packed
    where raw_packed.stream_no = stream.stream_no
) as packed
where stream.session_id = %(session_id)s
order by stream.position

-- count_beats: stored beats of a session by source
select source, count(*) as n_beats from beat
where session_id = %(session_id)s and pipeline_version = %(pipeline_version)s
group by source

-- count_derived: stored derived rows of a session, and why and when they were derived again
select
    (select reason from derive_again where session_id = %(session_id)s) as derived_again_reason,
    (select done_at from derive_again where session_id = %(session_id)s) as derived_again_at,
    (select count(*) from breath where session_id = %(session_id)s
        and pipeline_version = %(pipeline_version)s and kind = 'breath') as n_breaths,
    (select count(*) from skin_response where session_id = %(session_id)s
        and pipeline_version = %(pipeline_version)s) as n_responses,
    (select count(*) from metrics where session_id = %(session_id)s
        and pipeline_version = %(pipeline_version)s) as n_metrics

-- server_version: the database's own version
select current_setting('server_version') as server_version

-- claim_archive: one becalm server at a time writes to a database
select pg_try_advisory_lock(%(key)s)
