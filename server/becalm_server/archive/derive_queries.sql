-- doubt_sessions: what is derived of them may not be what one uninterrupted run gives
insert into derive_again (session_id, reason)
select * from unnest(%(session_id)b::text[], %(reason)b::text[])
on conflict (session_id) do update
set reason = excluded.reason, asked_at = excluded.asked_at, n_tries = 0, tried_version = null, done_at = null

-- doubt_lost_windows: of ended sessions, those whose last window fell due and was never made; what was asked before stays
insert into derive_again (session_id, reason)
select session_id, %(reason)s from session
cross join lateral (select duration_ns / %(step_ns)s::bigint * %(step_ns)s::bigint as end_ns) as due
where session_id = any(%(session_ids)s)
    and due.end_ns >= %(window_ns)s
    and not exists (
        select from hrv_window
        where hrv_window.session_id = session.session_id and window_s = %(window_s)s and t_ns = due.end_ns
    )
    and (
        exists (
            select from stream
            where stream.session_id = session.session_id and kind = any(%(kinds)s)
                and last_ns > due.end_ns - %(window_ns)s
        )
        or exists (
            select from beat
            where beat.session_id = session.session_id and t_ns > due.end_ns - %(window_ns)s
                and t_ns <= due.end_ns and emitted_ns <= due.end_ns
                and flag = any(%(flags)s) and rr_corrected_ms is not null
            group by pipeline_version, source
            having count(*) >= %(min_beats)s
        )
    )
on conflict do nothing

-- select_doubted: ended sessions to derive again; what failed so often waits for another pipeline
select session_id from derive_again
join session using (session_id)
where done_at is null
    and ended_at is not null
    and started_unix_ns is not null
    and (n_tries < %(max_tries)s or tried_version is distinct from %(pipeline_version)s)
    and session_id <> all(%(put_off)s)
order by asked_at
limit %(limit)s

-- count_try: another try to derive a session again, told before it is made: it may end its process
update derive_again
set n_tries = case when tried_version = %(pipeline_version)s then n_tries + 1 else 1 end,
    tried_version = %(pipeline_version)s
where session_id = %(session_id)s and done_at is null
returning asked_at

-- prolong_session: what came after its end may reach further than what was there then
update session set duration_ns = greatest(duration_ns, (
    select max(last_ns) from stream where stream.session_id = session.session_id
))
where session_id = %(session_id)s

-- end_derive_again: it is done, unless somebody asked anew meanwhile
update derive_again set done_at = now() where session_id = %(session_id)s and asked_at = %(asked_at)s

-- forget_derived: what this pipeline left of a session, and what was told from it; the slow lane's windows stay
with beats as (delete from beat where session_id = %(session_id)s and pipeline_version = %(pipeline_version)s),
breaths as (delete from breath where session_id = %(session_id)s and pipeline_version = %(pipeline_version)s),
recoveries as (
    delete from skin_recovery where session_id = %(session_id)s and pipeline_version = %(pipeline_version)s
),
responses as (
    delete from skin_response where session_id = %(session_id)s and pipeline_version = %(pipeline_version)s
),
slow as (delete from slow_metrics where session_id = %(session_id)s and pipeline_version = %(pipeline_version)s),
told as (delete from signal_quality where session_id = %(session_id)s and pipeline_version = %(pipeline_version)s),
trends as (delete from trend where session_id = %(session_id)s)
delete from metrics where session_id = %(session_id)s and pipeline_version = %(pipeline_version)s
