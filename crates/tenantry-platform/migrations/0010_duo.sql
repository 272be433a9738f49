-- People who are on the way to Duo's prompt: one for each session, for a few minutes. Of the state, which comes back with
-- the browser, only the SHA-256 is kept; the nonce comes back in what Duo signs.
CREATE TABLE duo_state (
    session TEXT PRIMARY KEY REFERENCES session (hash) ON UPDATE CASCADE ON DELETE CASCADE,
    state TEXT NOT NULL,
    nonce TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
