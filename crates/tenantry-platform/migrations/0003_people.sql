-- People of a tenant. `person`, since `user` is a word of PostgreSQL's own.
INSERT INTO counter (name, value) VALUES ('person', 0);
INSERT INTO counter (name, value) VALUES ('login', 0);
-- Below 1000 are the numbers of the default roles and permission sets, which the program itself carries.
INSERT INTO counter (name, value) VALUES ('permission_set', 1000);
INSERT INTO counter (name, value) VALUES ('role', 1000);

CREATE TABLE person (
    id BIGINT PRIMARY KEY,
    unique_id TEXT NOT NULL UNIQUE,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    login_name TEXT NOT NULL,
    -- The login name in lower case: unique over the platform, whatever the letters' case.
    login_key TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL CHECK (status IN ('ACTIVE', 'INACTIVE', 'TERMINATED')),
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    email TEXT NOT NULL,
    -- Whatever else requests can set.
    profile TEXT NOT NULL,
    -- Why the person was deactivated or terminated.
    reason TEXT,
    -- Argon2id in its usual text form.
    password_hash TEXT NOT NULL,
    password_at BIGINT NOT NULL,
    -- When a password for one use ends; NULL for one that the person chose.
    password_until BIGINT,
    must_change BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    updated_by TEXT NOT NULL
);

CREATE INDEX person_by_tenant ON person (tenant_id, id);

-- Passwords that a person had before.
CREATE TABLE password_history (
    person_id BIGINT NOT NULL REFERENCES person (id),
    replaced_at BIGINT NOT NULL,
    password_hash TEXT NOT NULL
);

CREATE INDEX password_history_by_person ON password_history (person_id, replaced_at);

-- Sessions of browsers and bearer tokens of people: kept as SHA-256 only.
CREATE TABLE session (
    hash TEXT PRIMARY KEY,
    -- What the login history calls it; worth nothing as a key.
    public_id TEXT NOT NULL,
    person_id BIGINT NOT NULL REFERENCES person (id),
    kind TEXT NOT NULL CHECK (kind IN ('COOKIE', 'TOKEN')),
    -- Whether it allows nothing but the change of the password.
    limited BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX session_by_person ON session (person_id);
CREATE INDEX session_by_expiry ON session (expires_at);

CREATE TABLE login_history (
    id BIGINT PRIMARY KEY,
    person_id BIGINT NOT NULL REFERENCES person (id),
    session_id TEXT,
    source_ip TEXT NOT NULL,
    status TEXT NOT NULL,
    login_type TEXT NOT NULL,
    logout_type TEXT,
    login_at BIGINT NOT NULL,
    logout_at BIGINT
);

CREATE INDEX login_history_by_person ON login_history (person_id, id);
CREATE INDEX login_history_by_session ON login_history (session_id);

-- Without a tenant: a default one, which every tenant of its scope has.
CREATE TABLE permission_set (
    id BIGINT PRIMARY KEY,
    unique_id TEXT NOT NULL UNIQUE,
    tenant_id BIGINT REFERENCES tenant (id),
    scope TEXT NOT NULL CHECK (scope IN ('SP', 'MSP', 'CLIENT')),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    description TEXT NOT NULL,
    permissions TEXT NOT NULL
);

CREATE UNIQUE INDEX permission_set_name ON permission_set (tenant_id, name_key);

CREATE TABLE role (
    id BIGINT PRIMARY KEY,
    unique_id TEXT NOT NULL UNIQUE,
    tenant_id BIGINT REFERENCES tenant (id),
    scope TEXT NOT NULL CHECK (scope IN ('SP', 'MSP', 'CLIENT')),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    description TEXT NOT NULL,
    all_clients BIGINT NOT NULL
);

CREATE UNIQUE INDEX role_name ON role (tenant_id, name_key);

CREATE TABLE role_permission_set (
    role_id BIGINT NOT NULL REFERENCES role (id),
    permission_set_id BIGINT NOT NULL REFERENCES permission_set (id),
    PRIMARY KEY (role_id, permission_set_id)
);

CREATE INDEX role_permission_set_by_set ON role_permission_set (permission_set_id);

CREATE TABLE role_client (
    role_id BIGINT NOT NULL REFERENCES role (id),
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    PRIMARY KEY (role_id, tenant_id)
);

CREATE INDEX role_client_by_tenant ON role_client (tenant_id);

CREATE TABLE role_person (
    role_id BIGINT NOT NULL REFERENCES role (id),
    person_id BIGINT NOT NULL REFERENCES person (id),
    PRIMARY KEY (role_id, person_id)
);

CREATE INDEX role_person_by_person ON role_person (person_id);
