-- What people say about a session: moments that they marked, and notes.
create table annotation (
    annotation_id text primary key,
    session_id    text not null references session on delete cascade,
    kind          text not null check (kind in ('marker', 'note')),
    t_ns          bigint,
    text          text not null,
    created_at    timestamptz not null default now(),
    check (kind = 'note' or t_ns is not null)
);
create index annotation_session on annotation (session_id, kind, t_ns);
comment on column annotation.t_ns is 'session time it speaks of; null: the whole session (notes only)';
