-- Whose body a session is of, who may come in, and with what. Identifiers are random; labels are for people and optional.
create table person (
    person_id  text primary key,
    label      text,
    created_at timestamptz not null default now()
);

create table account (
    account_id    text primary key,
    role          text not null check (role in ('operator', 'clinician', 'participant', 'agent')),
    person_id     text references person on delete set null,
    label         text not null default '',
    login         text unique,
    password_hash text,
    created_at    timestamptz not null default now(),
    disabled_at   timestamptz
);
comment on column account.person_id is 'the person whose own account it is; of an agent: whose body it stands beside';

-- A phone, an agent or a program that was paired once. The token itself is never stored.
create table access_device (
    device_id    text primary key,
    account_id   text not null references account on delete cascade,
    token_sha256 bytea not null unique,
    label        text not null,
    agent_id     text,
    is_local     boolean not null default false,
    created_at   timestamptz not null default now(),
    seen_at      timestamptz,
    revoked_at   timestamptz
);
create index access_device_account on access_device (account_id);
comment on column access_device.agent_id is 'the agent that first came with it: no other may';
comment on column access_device.is_local is 'the operator''s own programs on the server''s machine';

create table invitation (
    code_sha256 bytea primary key,
    account_id  text not null references account on delete cascade,
    created_at  timestamptz not null default now(),
    expires_at  timestamptz not null,
    used_at     timestamptz
);

create table access_grant (
    grant_id     text primary key,
    person_id    text not null references person on delete cascade,
    clinician_id text not null references account on delete cascade,
    granted_by   text not null,
    granted_at   timestamptz not null default now(),
    until_at     timestamptz,
    withdrawn_at timestamptz
);
create index access_grant_clinician on access_grant (clinician_id);
create index access_grant_person on access_grant (person_id);

-- Sessions of before belong to the owner, who is made at the first start.
alter table session add constraint session_person_known foreign key (person_id) references person;
create index session_person_created on session (person_id, created_at desc, session_id desc);
