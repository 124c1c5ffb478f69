-- What marred a signal that could still carry indices; null where nothing did, and in what was told before.
alter table signal_quality add column caution text;
