-- What a stream's raw events reach over, kept with its acknowledgement: readers of a session under way bind time by it.
alter table stream add column first_ns bigint, add column last_ns bigint, add column last_idx bigint;
comment on column stream.first_ns is 'earliest received_ns; null without events, and of sessions that ended before this was kept';
comment on column stream.last_ns is 'latest received_ns';
comment on column stream.last_idx is 'largest arrival_idx';
update stream set first_ns = held.first_ns, last_ns = held.last_ns, last_idx = held.last_idx
from (
    select stream_id, min(received_ns) as first_ns, max(received_ns) as last_ns, max(arrival_idx) as last_idx
    from raw_event
    join stream using (stream_id)
    join session using (session_id)
    where session.ended_at is null
    group by stream_id
) as held
where held.stream_id = stream.stream_id;
