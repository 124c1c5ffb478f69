-- Each row is guarded, not each statement: one that touches none, as a restore into an empty archive does, may pass.
drop trigger audit_is_append_only on audit_entry;
create trigger audit_rows_stay before update or delete on audit_entry
for each row execute function refuse_audit_change();
create trigger audit_stays before truncate on audit_entry
for each statement execute function refuse_audit_change();
