-- The erasure of a person finds the schedules that name her.
CREATE INDEX export_schedule_created_by ON export_schedule (created_by);
