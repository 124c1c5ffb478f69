-- export_raw: the raw events of a session in the order they were accepted
select raw_event.stream_id, seq, form, received_ns, sensor_ns, first_sample_idx, body
from raw_event
join stream using (stream_id)
where session_id = %(session_id)s
order by arrival_idx

-- export_quality: from when on a signal could or could not carry indices
select t_ns, kind, emitted_ns, reason
from signal_quality
where session_id = %(session_id)s and pipeline_version = %(pipeline_version)s
order by t_ns, kind

-- export_phases: the parts of a session
select t_ns, phase, pacer_started_ns, inhale_s, exhale_s
from phase_change
where session_id = %(session_id)s
order by t_ns, phase
