-- What operators want changed in requests in force, the thread of each request, and what sessions are to be told.

-- the request of another operator that this one was admitted to
ALTER TABLE requests ADD COLUMN shared_from TEXT REFERENCES requests (id);
CREATE INDEX requests_shared ON requests (shared_from) WHERE shared_from IS NOT NULL;

CREATE TABLE amendments (
    id TEXT NOT NULL PRIMARY KEY,
    request TEXT NOT NULL REFERENCES requests (id),
    session TEXT REFERENCES sessions (id),
    proposed_ms BIGINT NOT NULL,
    proposed_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('extend', 'share')),
    for_s BIGINT,
    operator TEXT,
    public_key TEXT,
    known_from TEXT REFERENCES requests (id),
    state TEXT NOT NULL CHECK (state IN ('open', 'approved', 'declined', 'retracted', 'lapsed')),
    decided_ms BIGINT,
    decided_by TEXT,
    comment TEXT,
    shared_as TEXT REFERENCES requests (id),
    CHECK ((kind = 'extend') = (for_s IS NOT NULL)),
    CHECK ((kind = 'share') = (operator IS NOT NULL)),
    CHECK ((kind = 'share') = (public_key IS NOT NULL)),
    CHECK ((state = 'open') = (decided_ms IS NULL)),
    CHECK ((state = 'open') = (decided_by IS NULL))
);
CREATE INDEX amendments_by_age ON amendments (proposed_ms, id);
CREATE INDEX amendments_of_request ON amendments (request);

CREATE TABLE messages (
    request TEXT NOT NULL REFERENCES requests (id),
    number BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    author TEXT NOT NULL,
    author_role TEXT NOT NULL,
    session TEXT REFERENCES sessions (id),
    text TEXT NOT NULL,
    PRIMARY KEY (request, number)
);

-- done: the session has it, or has ended; until then it is told again
CREATE TABLE notes (
    number BIGINT NOT NULL PRIMARY KEY,
    session TEXT NOT NULL REFERENCES sessions (id),
    target TEXT NOT NULL,
    news TEXT NOT NULL,
    done BIGINT NOT NULL CHECK (done IN (0, 1))
);
CREATE INDEX notes_open ON notes (target, number) WHERE done = 0;
CREATE INDEX notes_of_session ON notes (session) WHERE done = 0;
