-- How sure the time of a beat is, and what its sensor says of the interval.
alter table beat add column t_error_ms double precision, add column rr_error_ms double precision;

-- What a window could not tell.
alter table hrv_window add column withheld jsonb not null default '{}';
comment on column hrv_window.withheld is 'family of indices (time, frequency, nonlinear, rsa, eda) -> the reason in words';
