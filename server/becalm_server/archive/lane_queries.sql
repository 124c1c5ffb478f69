-- upsert_live_states: where pipelines are, in place of where they were
insert into live_state (session_id, arrival_idx, newest_ns, seqs, pipeline_version, code_sha256, body)
select session_id, arrival_idx, newest_ns, seqs::jsonb, pipeline_version, code_sha256, body from unnest(
    %(session_id)b::text[], %(arrival_idx)b::bigint[], %(newest_ns)b::bigint[], %(seqs)b::text[],
    %(pipeline_version)b::text[], %(code_sha256)b::text[], %(body)b::bytea[]
) as new (session_id, arrival_idx, newest_ns, seqs, pipeline_version, code_sha256, body)
on conflict (session_id) do update
set arrival_idx = excluded.arrival_idx, newest_ns = excluded.newest_ns, seqs = excluded.seqs,
    pipeline_version = excluded.pipeline_version, code_sha256 = excluded.code_sha256, body = excluded.body

-- insert_wishes: what a person wished of a pipeline
insert into breath_wish (session_id, arrival_idx, t_ns, source)
select * from unnest(%(session_id)b::text[], %(arrival_idx)b::bigint[], %(t_ns)b::bigint[], %(source)b::text[])
on conflict do nothing

-- select_live_state: where the pipeline of a session was
select arrival_idx, newest_ns, seqs, code_sha256, body from live_state where session_id = %(session_id)s

-- select_wishes: what a person wished of the pipeline after a step
select arrival_idx, t_ns, source from breath_wish
where session_id = %(session_id)s and arrival_idx > %(after_idx)s
order by arrival_idx

-- select_reach: over which steps and times a session's raw events and wishes reach; nulls without any
select
    greatest(
        max(last_idx), (select max(arrival_idx) from breath_wish where breath_wish.session_id = session.session_id)
    ) as last_idx,
    max(last_ns) as newest_ns,
    'epoch'::timestamptz + ((started_unix_ns + min(first_ns)) / 1000) * interval '1 microsecond' as first_time,
    'epoch'::timestamptz + ((started_unix_ns + max(last_ns)) / 1000) * interval '1 microsecond' as last_time
from session
left join stream using (session_id)
where session_id = %(session_id)s
group by session_id

-- select_raw_after: the next raw events after a position in each stream, in the order they were accepted
select raw_event.stream_id, raw_event.seq, arrival_idx, form, received_ns, sensor_ns, first_sample_idx, n_samples,
    body
from stream
join raw_event using (stream_id)
left join unnest(%(stream_ids)s::text[], %(seqs)s::bigint[]) as heard (stream_id, seq) using (stream_id)
where session_id = %(session_id)s and raw_event.seq > coalesce(heard.seq, 0)
    and raw_event.time between %(first_time)s::timestamptz and %(last_time)s::timestamptz
order by arrival_idx
limit %(limit)s
