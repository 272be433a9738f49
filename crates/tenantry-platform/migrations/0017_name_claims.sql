-- Whether the claims to names of tenants were brought to the form in which they are compared.
INSERT INTO counter (name, value) VALUES ('name_claims', 0);
