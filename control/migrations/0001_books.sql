-- The controller's books. Portable SQL: TEXT and BIGINT only, times in milliseconds since 1970, truth as 0 and 1.

CREATE TABLE counters (
    name TEXT NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);

CREATE TABLE tokens (
    name TEXT NOT NULL PRIMARY KEY,
    role TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    created_ms BIGINT NOT NULL
);

CREATE TABLE requests (
    id TEXT NOT NULL PRIMARY KEY,
    operator TEXT NOT NULL,
    requested_by TEXT NOT NULL,
    public_key TEXT NOT NULL,
    action TEXT NOT NULL,
    ticket TEXT NOT NULL,
    reason TEXT NOT NULL,
    duration_s BIGINT NOT NULL CHECK (duration_s > 0),
    start_ms BIGINT,
    idle_timeout_s BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    lapses_ms BIGINT NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('waiting', 'approved', 'active', 'completed', 'rejected', 'withdrawn', 'lapsed', 'revoked', 'expired')),
    not_before_ms BIGINT,
    not_after_ms BIGINT,
    entries BIGINT NOT NULL,
    CHECK ((not_before_ms IS NULL) = (not_after_ms IS NULL)),
    CHECK (state NOT IN ('approved', 'active') OR not_after_ms > not_before_ms)
);
CREATE INDEX requests_by_age ON requests (created_ms, id);
CREATE INDEX requests_by_requester ON requests (requested_by, created_ms);
CREATE INDEX requests_open ON requests (state) WHERE state IN ('waiting', 'approved', 'active');

CREATE TABLE request_targets (
    request TEXT NOT NULL REFERENCES requests (id),
    position BIGINT NOT NULL,
    target TEXT NOT NULL,
    PRIMARY KEY (request, position),
    UNIQUE (request, target)
);

CREATE TABLE request_history (
    request TEXT NOT NULL REFERENCES requests (id),
    entry BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    event TEXT NOT NULL,
    from_state TEXT,
    to_state TEXT NOT NULL,
    actor TEXT NOT NULL,
    actor_role TEXT,
    reason TEXT NOT NULL,
    PRIMARY KEY (request, entry)
);

-- live: the account and the uid may be in use on the target; until the target says that nothing is left
CREATE TABLE grants (
    id TEXT NOT NULL PRIMARY KEY,
    request TEXT NOT NULL REFERENCES requests (id),
    target TEXT NOT NULL,
    account TEXT NOT NULL,
    uid BIGINT NOT NULL,
    not_before_ms BIGINT NOT NULL,
    not_after_ms BIGINT NOT NULL,
    signed TEXT NOT NULL,
    live BIGINT NOT NULL CHECK (live IN (0, 1)),
    deployment TEXT NOT NULL CHECK (deployment IN ('pending', 'deployed', 'failed', 'removed', 'remove-failed')),
    error TEXT NOT NULL,
    UNIQUE (request, target)
);
CREATE UNIQUE INDEX grants_live_account ON grants (target, account) WHERE live = 1;
CREATE UNIQUE INDEX grants_live_uid ON grants (uid) WHERE live = 1;

-- done: the target has said that nothing is left; until then it is told again
CREATE TABLE revocations (
    grant_id TEXT NOT NULL PRIMARY KEY REFERENCES grants (id),
    target TEXT NOT NULL,
    issued_ms BIGINT NOT NULL,
    signed TEXT NOT NULL,
    answered_ms BIGINT,
    receipt TEXT,
    done BIGINT NOT NULL CHECK (done IN (0, 1)),
    CHECK ((answered_ms IS NULL) = (receipt IS NULL))
);
CREATE INDEX revocations_open ON revocations (target, issued_ms) WHERE done = 0;

CREATE TABLE sessions (
    id TEXT NOT NULL PRIMARY KEY,
    grant_id TEXT NOT NULL REFERENCES grants (id),
    request TEXT NOT NULL REFERENCES requests (id),
    target TEXT NOT NULL,
    started_ms BIGINT NOT NULL,
    facts TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('running', 'ended', 'lost')),
    ended_ms BIGINT,
    receipt TEXT,
    exit TEXT,
    terminate_ms BIGINT,
    terminate_by TEXT,
    terminate_reason TEXT
);
CREATE INDEX sessions_by_age ON sessions (started_ms, id);
CREATE INDEX sessions_by_request ON sessions (request);
CREATE INDEX sessions_running ON sessions (target) WHERE state = 'running';
CREATE INDEX sessions_lost ON sessions (ended_ms) WHERE state = 'lost';
