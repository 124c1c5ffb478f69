-- What a person agreed to, purpose by purpose, in which words, and when it was taken back. Rows are only ever closed.
create table consent (
    consent_id   text primary key,
    person_id    text not null references person on delete cascade,
    purpose      text not null check (purpose in ('storage', 'clinician_access', 'export')),
    text_version text not null,
    given_at     timestamptz not null default now(),
    given_by     text not null,
    withdrawn_at timestamptz
);
create index consent_person on consent (person_id, purpose);

-- Sessions that were erased, by the digest of their random identifier: an agent that comes back with one is told to
-- forget it too. Nothing else is kept of them.
create table erased_session (
    session_sha256 bytea primary key,
    erased_at      timestamptz not null default now()
);
