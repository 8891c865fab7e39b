-- Questions that sessions put to people. asked: all of it, as the node said it. signed: the answer, as the node is told it. end:
-- how it ended, as the node said; until then an answer is told again.

CREATE TABLE questions (
    id TEXT NOT NULL PRIMARY KEY,
    session TEXT NOT NULL REFERENCES sessions (id),
    request TEXT NOT NULL REFERENCES requests (id),
    target TEXT NOT NULL,
    asked_ms BIGINT NOT NULL,
    expiry_ms BIGINT NOT NULL,
    asked TEXT NOT NULL,
    choice TEXT CHECK (choice IN ('approve', 'reject')),
    answered_ms BIGINT,
    answered_by TEXT,
    comment TEXT,
    signed TEXT,
    ended TEXT,
    ended_ms BIGINT,
    CHECK ((choice IS NULL) = (signed IS NULL)),
    CHECK ((choice IS NULL) = (answered_ms IS NULL)),
    CHECK ((choice IS NULL) = (answered_by IS NULL)),
    CHECK ((ended IS NULL) = (ended_ms IS NULL))
);
CREATE INDEX questions_by_age ON questions (asked_ms, id);
CREATE INDEX questions_of_session ON questions (session);
CREATE INDEX questions_to_tell ON questions (target, answered_ms) WHERE ended IS NULL AND choice IS NOT NULL;
