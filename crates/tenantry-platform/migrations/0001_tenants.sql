-- One text for SQLite and PostgreSQL: columns are TEXT or BIGINT only, truth is 0 or 1, times are milliseconds since 1970,
-- documents are JSON in a TEXT.

-- Partners and clients take their numbers from one sequence; a number is never used again.
CREATE TABLE counter (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);

INSERT INTO counter (name, value) VALUES ('tenant', 0);

CREATE TABLE tenant (
    id BIGINT PRIMARY KEY,
    unique_id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL CHECK (kind IN ('SP', 'MSP', 'CLIENT')),
    parent_id BIGINT REFERENCES tenant (id),
    name TEXT NOT NULL,
    -- The name again where names are unique; NULL under --documented-only, where they need not be.
    name_claim TEXT,
    state TEXT NOT NULL CHECK (state IN ('ACTIVE', 'SUSPENDED', 'TERMINATED')),
    mark_place TEXT,
    mark_uid TEXT,
    settings TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    updated_by TEXT NOT NULL,
    terminated_at BIGINT
);

CREATE INDEX tenant_by_parent ON tenant (parent_id, id);
CREATE INDEX tenant_by_update ON tenant (parent_id, updated_at);
CREATE INDEX tenant_by_name ON tenant (parent_id, name);
CREATE INDEX tenant_by_place ON tenant (parent_id, mark_place);
CREATE UNIQUE INDEX tenant_name_living ON tenant (parent_id, name_claim) WHERE state <> 'TERMINATED';
CREATE UNIQUE INDEX tenant_mark_uid ON tenant (parent_id, mark_uid) WHERE mark_uid IS NOT NULL;

-- Every object that ever owned a tenant: a late create of an object whose mark was since replaced still finds its tenant.
CREATE TABLE mark (
    parent_id BIGINT NOT NULL REFERENCES tenant (id),
    uid TEXT NOT NULL,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    PRIMARY KEY (parent_id, uid)
);

-- API credentials: key and secret are kept as SHA-256 only.
CREATE TABLE credential (
    key_hash TEXT PRIMARY KEY,
    secret_hash TEXT NOT NULL,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    created_at BIGINT NOT NULL
);

CREATE INDEX credential_by_tenant ON credential (tenant_id);

CREATE TABLE token (
    hash TEXT PRIMARY KEY,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    expires_at BIGINT NOT NULL
);

CREATE INDEX token_by_tenant ON token (tenant_id);
CREATE INDEX token_by_expiry ON token (expires_at);
