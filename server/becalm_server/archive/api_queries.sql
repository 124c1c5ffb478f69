-- select_session_page: sessions that match, newest first, after a place in that order
select * from session
where (%(after_created_at)s::timestamptz is null
        or (created_at, session_id) < (%(after_created_at)s::timestamptz, %(after_session_id)s::text))
    and (%(people)s::text[] is null or person_id = any(%(people)s))
    and (%(before)s::timestamptz is null or created_at < %(before)s)
    and (%(since)s::timestamptz is null or created_at >= %(since)s)
    and (%(source)s::text is null or source = %(source)s)
    and (%(ended)s::boolean is null or (ended_at is not null) = %(ended)s)
order by created_at desc, session_id desc
limit %(limit)s

-- select_phases: the parts of a session
select t_ns, phase, pacer_started_ns, inhale_s, exhale_s
from phase_change
where session_id = %(session_id)s
order by t_ns, phase

-- insert_annotation: a marker or a note, unless the session has too many
insert into annotation (annotation_id, session_id, kind, t_ns, text)
select %(annotation_id)s, %(session_id)s, %(kind)s, %(t_ns)s, %(text)s
where (select count(*) from annotation where session_id = %(session_id)s and kind = %(kind)s) < %(n_max)s
returning annotation_id, t_ns, text, created_at

-- select_markers: marked moments in order of session time
select annotation_id as marker_id, t_ns, text as label, created_at
from annotation
where session_id = %(session_id)s and kind = 'marker'
order by t_ns, created_at, annotation_id

-- select_notes: notes in the order they were written
select annotation_id as note_id, t_ns, text, created_at
from annotation
where session_id = %(session_id)s and kind = 'note'
order by created_at, annotation_id

-- delete_annotation: a marker or a note is taken back
delete from annotation
where annotation_id = %(annotation_id)s and session_id = %(session_id)s and kind = %(kind)s
returning t_ns, text

-- select_quality: from when on a signal could or could not carry indices, and what marred it
select t_ns, kind, emitted_ns, reason, caution
from signal_quality
where session_id = %(session_id)s and pipeline_version = %(pipeline_version)s
order by t_ns, kind

-- select_gaps: stretches without samples after a time, in the order they were told
select stream_id, (select kind from stream where stream.stream_id = raw_event.stream_id), received_ns as t_ns, body
from raw_event
where stream_id = any (array(select stream_id from stream where session_id = %(session_id)s))
    and form = 'gap' and received_ns > %(since_ns)s
order by received_ns, stream_id, seq
limit %(limit)s

-- upsert_devices: sensors as their agents tell of them now; what is not told stays as it was
insert into device (device_id, person_id, agent_id, name, model, firmware, battery_pct, kinds)
select device_id, person_id, agent_id, name, model, firmware, battery_pct, string_to_array(kinds, ' ')
from unnest(
    %(device_id)s::text[], %(person_id)s::text[], %(agent_id)s::text[], %(name)s::text[], %(model)s::text[],
    %(firmware)s::text[], %(battery_pct)s::integer[], %(kinds)s::text[]
) as new (device_id, person_id, agent_id, name, model, firmware, battery_pct, kinds)
join person using (person_id)
on conflict (person_id, agent_id, name) do update
set model = coalesce(excluded.model, device.model), firmware = coalesce(excluded.firmware, device.firmware),
    battery_pct = coalesce(excluded.battery_pct, device.battery_pct), kinds = excluded.kinds, last_seen_at = now()

-- select_devices: sensors that were ever seen, the one seen last first
select device_id, person_id, agent_id, name, model, firmware, battery_pct, kinds, first_seen_at, last_seen_at
from device
where %(people)s::text[] is null or person_id = any(%(people)s)
order by last_seen_at desc, device_id
limit %(limit)s

-- select_newest: session time of the newest event of a session that has not ended
select max(received_ns) as newest_ns
from raw_event
where stream_id = any (array(select stream_id from stream where session_id = %(session_id)s))

-- select_own_tables: which tables, and of them which columns, whoever asks may read at all
select table_name::text, array_agg(column_name::text order by ordinal_position) as columns
from information_schema.columns
where table_schema = 'public'
group by table_name
order by table_name
