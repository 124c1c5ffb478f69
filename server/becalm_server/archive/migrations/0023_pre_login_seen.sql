-- When a login was last gone on with: so that people know it in the list of theirs.
alter table login_family add column seen_at timestamptz not null default now();
