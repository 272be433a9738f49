-- When a second factor was proved in a session; until when one fresh proof is good for a save of account settings; and the
-- sealed secret of an enrolment that is not confirmed, which is this session's own.
ALTER TABLE session ADD COLUMN factor_at BIGINT;
ALTER TABLE session ADD COLUMN verified_until BIGINT;
ALTER TABLE session ADD COLUMN pending TEXT;

-- When a person accepted the consent form.
ALTER TABLE person ADD COLUMN consented_at BIGINT;

-- The second factor of a person (RFC 6238).
CREATE TABLE factor (
    person_id BIGINT PRIMARY KEY REFERENCES person (id),
    -- Sealed with a key that is not in the database.
    secret TEXT NOT NULL,
    -- The last step of which a code was taken: neither it nor one before it is taken again.
    last_step BIGINT NOT NULL,
    -- Wrong codes, one after the other, and when the last one was.
    failures BIGINT NOT NULL,
    failed_at BIGINT NOT NULL,
    enrolled_at BIGINT NOT NULL
);

-- Recovery codes that were not used: SHA-256 of 120 random bits.
CREATE TABLE recovery_code (
    person_id BIGINT NOT NULL REFERENCES person (id),
    hash TEXT NOT NULL,
    PRIMARY KEY (person_id, hash)
);
