-- The address that a request came from, the id of the key that a row is sealed with, the row that was the last one of the whole
-- log before it, and its seal. Rows of before have none of these: they are covered by the row `audit.epoch` behind them.
ALTER TABLE audit ADD COLUMN source TEXT;
ALTER TABLE audit ADD COLUMN key_id TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN beside_tenant BIGINT;
ALTER TABLE audit ADD COLUMN beside_number BIGINT;
ALTER TABLE audit ADD COLUMN beside_hash TEXT;
ALTER TABLE audit ADD COLUMN seal TEXT NOT NULL DEFAULT '';

-- What all heads add up to, sealed: the log of one tenant that is put back to an earlier day is found. One row.
CREATE TABLE audit_anchor (
    id BIGINT PRIMARY KEY,
    events BIGINT NOT NULL,
    key_id TEXT NOT NULL,
    state TEXT NOT NULL
);

-- The last row of each chain that was erased because its time was over: the chain goes on behind it.
CREATE TABLE audit_checkpoint (
    tenant_id BIGINT PRIMARY KEY REFERENCES tenant (id),
    number BIGINT NOT NULL,
    hash TEXT NOT NULL,
    seal TEXT NOT NULL
);

-- The last row of each chain that went with its tenant. No tenant has rows here by `tenant_id`: the statement outlives it.
CREATE TABLE audit_purged (
    id BIGINT PRIMARY KEY,
    number BIGINT NOT NULL,
    hash TEXT NOT NULL,
    seal TEXT NOT NULL
);

-- What is erased when its time is over.
CREATE INDEX audit_by_time ON audit (at);
CREATE INDEX login_history_by_time ON login_history (login_at);
