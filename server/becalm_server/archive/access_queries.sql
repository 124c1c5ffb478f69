-- select_owner: the first operator, who owns this server
select account_id, person_id from account where role = 'operator' order by created_at, account_id limit 1

-- insert_person: somebody whose sessions are kept
insert into person (person_id, label) values (%(person_id)s, %(label)s) returning *

-- insert_account: somebody or something that may come in
insert into account (account_id, role, person_id, label)
values (%(account_id)s, %(role)s, %(person_id)s, %(label)s)
returning *

-- adopt_sessions: sessions from before there were people belong to the owner
update session set person_id = %(person_id)s where person_id is null

-- select_account: one account
select * from account where account_id = %(account_id)s

-- select_accounts: every account, oldest first
select account_id, role, person_id, label, login, created_at, disabled_at from account order by created_at, account_id

-- disable_account: it may not come in any more; what it did stays in the audit log
update account set disabled_at = coalesce(disabled_at, now()) where account_id = %(account_id)s returning *

-- insert_device: a phone, an agent or a program that was paired
insert into access_device (device_id, account_id, token_sha256, label, is_local)
values (%(device_id)s, %(account_id)s, %(token_sha256)s, %(label)s, %(is_local)s)
returning *

-- select_device_of_token: the device that holds a token, with its account
select device_id, agent_id, is_local, revoked_at, account.*
from access_device
join account using (account_id)
where token_sha256 = %(token_sha256)s

-- select_devices: devices of one account, or of all
select device_id, account_id, access_device.label, role, agent_id, is_local, access_device.created_at, seen_at, revoked_at
from access_device
join account using (account_id)
where %(account_id)s::text is null or account_id = %(account_id)s
order by access_device.created_at, device_id

-- revoke_device: its token opens nothing any more
update access_device set revoked_at = coalesce(revoked_at, now())
where device_id = %(device_id)s and (%(account_id)s::text is null or account_id = %(account_id)s)
returning device_id, account_id

-- bind_agent: the first agent that comes with a token keeps it
update access_device set agent_id = coalesce(agent_id, %(agent_id)s)
where device_id = %(device_id)s
returning agent_id

-- select_agent_device: which device an agent beside a person is bound to
select device_id
from access_device
join account using (account_id)
where agent_id = %(agent_id)s and revoked_at is null and person_id is not distinct from %(person_id)s

-- touch_device: it was here
update access_device set seen_at = now() where device_id = %(device_id)s

-- insert_invitation: a one-time code for an account
insert into invitation (code_sha256, account_id, expires_at)
values (%(code_sha256)s, %(account_id)s, now() + %(lasts_s)s * interval '1 second')
returning expires_at

-- use_invitation: at most one caller gets the account of a code
update invitation set used_at = now()
where code_sha256 = %(code_sha256)s and used_at is null and expires_at > now()
returning account_id

-- clear_invitations: codes that nobody can use any more
delete from invitation where used_at is not null or expires_at < now()

-- select_granted: people whom a clinician may see now
select person_id from access_grant
where clinician_id = %(account_id)s and withdrawn_at is null and (until_at is null or until_at > now())
    and exists (
        select from consent
        where consent.person_id = access_grant.person_id and purpose = 'clinician_access'
            and consent.withdrawn_at is null
    )

-- insert_grant: a clinician may see a person
insert into access_grant (grant_id, person_id, clinician_id, granted_by, until_at)
values (%(grant_id)s, %(person_id)s, %(clinician_id)s, %(granted_by)s, %(until_at)s)
returning *

-- select_grants: who may see a person, and who could
select * from access_grant where person_id = %(person_id)s order by granted_at, grant_id

-- withdraw_grant: the clinician may not see the person any more
update access_grant set withdrawn_at = coalesce(withdrawn_at, now())
where grant_id = %(grant_id)s and person_id = %(person_id)s
returning *

-- select_person: one person
select * from person where person_id = %(person_id)s

-- select_people: people in the order they came
select * from person
where %(people)s::text[] is null or person_id = any(%(people)s)
order by created_at, person_id

-- rename_person: a local label, or none
update person set label = %(label)s where person_id = %(person_id)s returning *

-- select_session_person: whose body a session is of
select person_id from session where session_id = %(session_id)s

-- select_audit_head: the newest entry
select seq, sha256 from audit_entry order by seq desc limit 1

-- insert_audit: entries in their order, chained by whoever brings them
insert into audit_entry (
    seq, at, account_id, role, action, person_id, subject, outcome, previous_sha256, sha256
)
select * from unnest(
    %(seq)s::bigint[], %(at)s::timestamptz[], %(account_id)s::text[], %(role)s::text[], %(action)s::text[],
    %(person_id)s::text[], %(subject)s::text[], %(outcome)s::text[], %(previous_sha256)s::bytea[], %(sha256)s::bytea[]
)

-- select_audit: entries after a number, about one person (also among everybody) or of all
select * from audit_entry
where seq > %(after_seq)s and (%(person_id)s::text is null or person_id in (%(person_id)s, 'everybody'))
order by seq
limit %(limit)s

-- select_login: the account of a login name
select * from account where login = %(login)s and disabled_at is null

-- set_password: how an account logs in
update account set login = %(login)s, password_hash = %(password_hash)s where account_id = %(account_id)s returning *

-- rehash_password: the same password, by today's parameters
update account set password_hash = %(password_hash)s where account_id = %(account_id)s

-- insert_family: somebody logged in
insert into login_family (family_id, account_id) values (%(family_id)s, %(account_id)s)

-- insert_refresh: the next token of a login
insert into refresh_token (token_sha256, family_id, expires_at)
values (%(token_sha256)s, %(family_id)s, now() + %(lasts_s)s * interval '1 second')

-- lock_refresh: a token that was shown, with its login; nobody else may use it meanwhile
select family_id, account_id, revoked_at, used_at, refresh_token.expires_at < now() as is_over,
    coalesce(used_at < now() - %(grace_s)s * interval '1 second', false) as is_reused
from refresh_token
join login_family using (family_id)
where token_sha256 = %(token_sha256)s
for update

-- lock_successors: what was given for a token
select token_sha256, used_at from refresh_token
where family_id = %(family_id)s and created_at >= %(used_at)s
for update

-- withdraw_refresh: another was given in its place; it counts as used long ago
update refresh_token set used_at = to_timestamp(0) where token_sha256 = %(token_sha256)s

-- clear_refreshes: tokens that are over by themselves
delete from refresh_token where expires_at < now()

-- clear_families: logins that ended, or that nobody can go on with
delete from login_family
where revoked_at < now()
    or not exists (select from refresh_token where refresh_token.family_id = login_family.family_id)

-- use_refresh: it had its turn
update refresh_token set used_at = coalesce(used_at, now()) where token_sha256 = %(token_sha256)s

-- revoke_family: a login is over
update login_family set revoked_at = coalesce(revoked_at, now()) where family_id = %(family_id)s returning *

-- touch_family: somebody goes on with a login
update login_family set seen_at = now() where family_id = %(family_id)s

-- select_logins: logins that somebody can go on with, of one account, or of all
select family_id as login_id, account_id, role, login, login_family.created_at, seen_at,
    seen_at + %(lasts_s)s * interval '1 second' as ends_at
from login_family
join account using (account_id)
where revoked_at is null and disabled_at is null and seen_at > now() - %(lasts_s)s * interval '1 second'
    and (%(account_id)s::text is null or account_id = %(account_id)s)
order by login_family.created_at, family_id

-- end_login: it is over, also for who only has its access token
update login_family set revoked_at = coalesce(revoked_at, now())
where family_id = %(login_id)s and (%(account_id)s::text is null or account_id = %(account_id)s)
returning account_id

-- revoke_families: every login of an account is over
update login_family set revoked_at = coalesce(revoked_at, now()) where account_id = %(account_id)s

-- select_family_account: the account of a login that goes on
select account.* from login_family
join account using (account_id)
where family_id = %(family_id)s and revoked_at is null and disabled_at is null

-- insert_consent: a person agreed to a purpose, in the words of a version
insert into consent (consent_id, person_id, purpose, text_version, given_by)
values (%(consent_id)s, %(person_id)s, %(purpose)s, %(text_version)s, %(given_by)s)
returning *

-- select_consents: what a person agreed to, and took back
select * from consent where person_id = %(person_id)s order by given_at, consent_id

-- withdraw_consents: from now on not any more
update consent set withdrawn_at = now()
where person_id = %(person_id)s and purpose = %(purpose)s and withdrawn_at is null
returning *

-- select_clinicians: accounts that a person granted
select distinct clinician_id from access_grant where person_id = %(person_id)s and withdrawn_at is null

-- select_person_sessions: everything that was recorded of a person
select session_id, agent_id from session where person_id = %(person_id)s order by created_at

-- insert_erased: sessions that agents shall forget
insert into erased_session (session_sha256) select unnest(%(digests)s::bytea[]) on conflict do nothing

-- select_erased: whether a session was erased
select erased_at from erased_session where session_sha256 = %(digest)s

-- lock_person: no session of a person begins from here on; one that was about to finds nobody
select from person where person_id = %(person_id)s for update

-- empty_accounts: whoever came in as the person may not any more; agents may, to be told what to forget
update account
set disabled_at = case when role in ('agent', 'operator') then disabled_at else coalesce(disabled_at, now()) end,
    login = case when role = 'operator' then login end,
    password_hash = case when role = 'operator' then password_hash end,
    label = case when role = 'operator' then label else '' end
where person_id = %(person_id)s
returning account_id, role

-- empty_devices: what their owners called the devices of a person
update access_device set label = '', agent_id = null
where account_id in (select account_id from account where person_id = %(person_id)s and role <> 'operator')

-- delete_session: raw and derived rows go with it
delete from session where session_id = %(session_id)s

-- move_account: another person stands behind an account
update account set person_id = %(person_id)s where account_id = %(account_id)s

-- delete_person: nothing of the person is left but the audit log's random identifier
delete from person where person_id = %(person_id)s
