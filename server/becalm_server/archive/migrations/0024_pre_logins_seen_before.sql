-- Logins of before that column were not seen when it came: when the newest of their tokens was given.
update login_family set seen_at = coalesce(
    (select max(refresh_token.created_at) from refresh_token where refresh_token.family_id = login_family.family_id),
    created_at
);
