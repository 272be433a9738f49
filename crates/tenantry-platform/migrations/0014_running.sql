-- The secret that the deliveries of a stream are signed with, sealed; none of a stream that is older than this.
ALTER TABLE stream ADD COLUMN secret TEXT;

-- A person who is masked is renamed in every place where the name stands.
CREATE INDEX tenant_by_creator ON tenant (created_by);
CREATE INDEX tenant_by_editor ON tenant (updated_by);
CREATE INDEX person_by_creator ON person (created_by);
CREATE INDEX person_by_editor ON person (updated_by);
