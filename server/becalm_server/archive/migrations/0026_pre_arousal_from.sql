-- What arousal was made of, names with a space between them; null where it was withheld, and in what was told before.
alter table metrics add column arousal_from text;
