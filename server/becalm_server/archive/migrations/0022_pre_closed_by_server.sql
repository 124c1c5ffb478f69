-- Nobody closed it: no agent came for hours, and the server took its last sample for its end.
alter table session add column closed_by_server boolean not null default false;
