-- The data of tenants, by category. A name is unique in its category, so that equal creates make one row.
INSERT INTO counter (name, value) VALUES ('record', 0);
-- 1 while data that was purged may still stand in the file's free pages.
INSERT INTO counter (name, value) VALUES ('scrub', 0);

CREATE TABLE record (
    id BIGINT PRIMARY KEY,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    category TEXT NOT NULL,
    name TEXT NOT NULL,
    -- When it arose, by which its time is over.
    at BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    document TEXT NOT NULL,
    -- The cloud account that it registers, as provider and number.
    cloud_account TEXT,
    UNIQUE (tenant_id, category, name)
);

CREATE INDEX record_by_category ON record (tenant_id, category, id);
CREATE INDEX record_by_time ON record (category, at);
CREATE INDEX record_by_cloud_account ON record (cloud_account) WHERE cloud_account IS NOT NULL;

-- Where a tenant's events go, and what has not arrived yet.
CREATE TABLE stream (
    id BIGINT PRIMARY KEY,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL,
    destination TEXT NOT NULL,
    delivered BIGINT NOT NULL,
    given_up BIGINT NOT NULL,
    UNIQUE (tenant_id, name)
);

CREATE TABLE delivery (
    id BIGINT PRIMARY KEY,
    stream_id BIGINT NOT NULL REFERENCES stream (id),
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    document TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    next_at BIGINT NOT NULL
);

CREATE INDEX delivery_by_time ON delivery (next_at);
CREATE INDEX delivery_by_tenant ON delivery (tenant_id);

-- When what an ended tenant left was erased; its row stays as a tombstone of ids and dates.
ALTER TABLE tenant ADD COLUMN purged_at BIGINT;
CREATE INDEX tenant_by_end ON tenant (terminated_at) WHERE purged_at IS NULL;
