-- export_raw: the raw events of a session in the order they were accepted
select raw_event.stream_id, seq, form, received_ns, sensor_ns, first_sample_idx, body
from raw_event
join stream using (stream_id)
where session_id = %(session_id)s
order by arrival_idx
