-- An agent's name, and its sensors' names, count beside its person alone: somebody else may use the same one.
alter table device add column person_id text references person on delete cascade;
update device
set person_id = coalesce(
    (
        select person_id from session
        where session.agent_id = device.agent_id and person_id is not null
        order by created_at desc
        limit 1
    ),
    (
        select person_id from access_device
        join account using (account_id)
        where access_device.agent_id = device.agent_id and person_id is not null
        order by access_device.created_at desc
        limit 1
    )
);
-- Seen beside nobody: an agent that is still there tells of it again.
delete from device where person_id is null;
alter table device alter column person_id set not null;
alter table device drop constraint device_agent_id_name_key;
alter table device add unique (person_id, agent_id, name);
