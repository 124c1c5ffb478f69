-- Where the pipeline of a session under way was after one step, so that a restart feeds it only what came since.
create table live_state (
    session_id       text primary key references session on delete cascade,
    arrival_idx      bigint not null,
    newest_ns        bigint not null,
    seqs             jsonb not null,
    pipeline_version text not null,
    code_sha256      text not null,
    body             bytea not null
);
-- It is compressed already, and replaced every ten seconds: let its pages have room for the next one.
alter table live_state alter column body set storage external;
alter table live_state set (fillfactor = 50);
comment on column live_state.seqs is 'stream_id -> seq of the last event that the pipeline had heard';

-- What a person wished of the pipeline while it ran: a step of the session like a raw event, numbered with them.
create table breath_wish (
    session_id  text not null references session on delete cascade,
    arrival_idx bigint not null,
    t_ns        bigint not null,
    source      text,
    primary key (session_id, arrival_idx)
);
comment on column breath_wish.source is 'signal that the breath is taken from, from t_ns on; null: the best there is';
