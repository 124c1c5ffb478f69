-- Who did what about whom, one row after the other: each holds the digest of the one before, so that no row can be
-- changed, taken out or put in between without a trace. Nothing of a recording stands here.
create table audit_entry (
    seq             bigint primary key,
    at              timestamptz not null,
    account_id      text,
    role            text,
    action          text not null,
    person_id       text,
    subject         text not null,
    outcome         text not null,
    previous_sha256 bytea not null,
    sha256          bytea not null
);
create index audit_entry_person on audit_entry (person_id, seq);

create function refuse_audit_change() returns trigger language plpgsql as $$
begin
    raise exception 'audit_entry is append-only: rows are neither changed nor removed';
end
$$;
create trigger audit_is_append_only before update or delete or truncate on audit_entry
for each statement execute function refuse_audit_change();

-- A login by password: its refresh tokens follow one another; one that comes back after its turn ends them all.
create table login_family (
    family_id  text primary key,
    account_id text not null references account on delete cascade,
    created_at timestamptz not null default now(),
    revoked_at timestamptz
);

create table refresh_token (
    token_sha256 bytea primary key,
    family_id    text not null references login_family on delete cascade,
    created_at   timestamptz not null default now(),
    expires_at   timestamptz not null,
    used_at      timestamptz
);
create index refresh_token_family on refresh_token (family_id);
