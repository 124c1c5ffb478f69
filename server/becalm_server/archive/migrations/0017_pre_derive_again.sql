-- Sessions whose derived values may not be those of one uninterrupted run: once they have ended they are derived again.
create table derive_again (
    session_id    text primary key references session on delete cascade,
    reason        text not null,
    asked_at      timestamptz not null default clock_timestamp(),
    n_tries       integer not null default 0,
    tried_version text,
    done_at       timestamptz
);
comment on table derive_again is 'done_at null: not derived again yet; tried in vain as often as n_tries says, by the pipeline tried_version';
