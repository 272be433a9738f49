-- What is known of an API credential besides its hashes. `created_by` names its maker as the audit log does.
ALTER TABLE credential ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE credential ADD COLUMN created_by TEXT NOT NULL DEFAULT '';
ALTER TABLE credential ADD COLUMN last_used_at BIGINT;
ALTER TABLE credential ADD COLUMN rotated_at BIGINT;
ALTER TABLE credential ADD COLUMN expires_at BIGINT;
-- A revoked one stays as a row: a start that finds it in its file tells it from a credential of another database.
ALTER TABLE credential ADD COLUMN revoked_at BIGINT;

UPDATE credential SET created_by = COALESCE(
    (SELECT MIN(a.actor) FROM audit a WHERE a.tenant_id = credential.tenant_id AND a.action = 'credential.create'
     AND a.outcome = 'done' AND a.object = substr(credential.key_hash, 1, 12)), '');

CREATE INDEX token_by_key ON token (key_hash);

-- Whether the keys of login names are in the form of RFC 8265.
INSERT INTO counter (name, value) VALUES ('login_keys', 0);
