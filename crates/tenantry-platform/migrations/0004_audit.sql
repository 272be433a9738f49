-- What was done under each tenant, in one chain of hashes per tenant: rows are added and never changed. A tenant's chain
-- goes only when the tenant is purged.
CREATE TABLE audit (
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    number BIGINT NOT NULL,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    outcome TEXT NOT NULL,
    request TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (tenant_id, number)
);

-- The last row of each chain, once more and sealed with a key that is not in the database: a chain that was cut is found.
CREATE TABLE audit_head (
    tenant_id BIGINT PRIMARY KEY REFERENCES tenant (id),
    number BIGINT NOT NULL,
    hash TEXT NOT NULL,
    seal TEXT NOT NULL
);

-- Which credential a token was made with, so that the log can tell two of one tenant apart.
ALTER TABLE token ADD COLUMN key_hash TEXT;
