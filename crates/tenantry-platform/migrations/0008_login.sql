-- Failed logins of an account from one source, one after the other. An account is the SHA-256 of a login name, whether
-- anybody has it or not, so that an unknown name costs and answers the same.
CREATE TABLE login_attempt (
    account TEXT NOT NULL,
    source TEXT NOT NULL,
    failures BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    PRIMARY KEY (account, source)
);

CREATE INDEX login_attempt_by_time ON login_attempt (last_at);
