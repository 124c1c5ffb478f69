-- Sensors that agents have told of: each agent names its sensors, we give them an identifier that says nothing.
create table device (
    device_id     text primary key,
    agent_id      text not null,
    name          text not null,
    model         text,
    firmware      text,
    battery_pct   integer,
    kinds         text[] not null,
    first_seen_at timestamptz not null default now(),
    last_seen_at  timestamptz not null default now(),
    unique (agent_id, name)
);
comment on column device.name is 'as the sensor calls itself: people put names there, so exports leave it out unless asked';
