-- The texts of a tenant's branding and which image stands in each place.
CREATE TABLE branding (
    tenant_id BIGINT PRIMARY KEY REFERENCES tenant (id),
    document TEXT NOT NULL
);

-- Images as base64: a BYTEA column and a BLOB column have no common text.
CREATE TABLE image (
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    place TEXT NOT NULL,
    file TEXT NOT NULL,
    content_type TEXT NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (tenant_id, place)
);
