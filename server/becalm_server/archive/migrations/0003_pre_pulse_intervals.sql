-- Optical sensors tell an error and a doubt with each interval.
comment on column raw_event.form is
    'i2, i4: little-endian samples; rr: flags byte (1 rate sent, 2 contact known, 4 in contact, 8 errors sent, 16 usable '
    'sent), uint16 bpm, then n_samples uint16 each: intervals of 1/1024 s, errors in ms and 0 or 1 where sent, '
    'little-endian; otherwise the event type, body in JSON';
