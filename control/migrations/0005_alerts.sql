-- Alerts of sessions, as their nodes raised them. The session may be one whose start was never heard.

CREATE TABLE alerts (
    session TEXT NOT NULL,
    number BIGINT NOT NULL,
    grant_id TEXT NOT NULL REFERENCES grants (id),
    request TEXT NOT NULL REFERENCES requests (id),
    target TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    heard_ms BIGINT NOT NULL,
    kind TEXT NOT NULL,
    alert TEXT NOT NULL,
    PRIMARY KEY (session, number)
);
CREATE INDEX alerts_by_age ON alerts (heard_ms, session, number);
