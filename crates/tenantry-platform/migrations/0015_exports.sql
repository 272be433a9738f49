-- Batch exports that run again and again. `held_until` keeps other processes from a run that one has begun; where that one
-- ends before the run does, another takes it up. Times are milliseconds since 1970.
CREATE TABLE export_schedule (
    id BIGINT PRIMARY KEY,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    data TEXT NOT NULL,
    destination TEXT NOT NULL,
    every_hours BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    held_until BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    last_at BIGINT,
    last_outcome TEXT
);

CREATE INDEX export_schedule_next ON export_schedule (next_at);
