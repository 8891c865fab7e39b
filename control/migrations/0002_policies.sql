-- Versions of policy modules: what they are, which is in force where, and what became of each. The modules themselves are
-- files beside the books, named by their digest.

CREATE TABLE policies (
    digest TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    action TEXT NOT NULL,
    roles TEXT NOT NULL,
    abi TEXT NOT NULL,
    size BIGINT NOT NULL,
    description TEXT NOT NULL,
    author TEXT NOT NULL,
    author_name TEXT NOT NULL,
    signature TEXT NOT NULL,
    pushed_by TEXT NOT NULL,
    pushed_ms BIGINT NOT NULL,
    stage TEXT NOT NULL CHECK (stage IN ('draft', 'tested', 'shadow', 'canary', 'active', 'retired')),
    test TEXT,
    trial TEXT,
    bounds TEXT,
    entries BIGINT NOT NULL,
    CHECK ((stage = 'draft') = (test IS NULL)),
    CHECK ((stage IN ('shadow', 'canary')) = (trial IS NOT NULL)),
    CHECK ((trial IS NULL) = (bounds IS NULL))
);
CREATE INDEX policies_by_age ON policies (pushed_ms, digest);

-- what judges an action on a role: one version at most in force (none: the node's own module), one at most on trial
CREATE TABLE policy_seats (
    action TEXT NOT NULL,
    role TEXT NOT NULL,
    active TEXT REFERENCES policies (digest),
    since_ms BIGINT NOT NULL,
    by_name TEXT NOT NULL,
    candidate TEXT REFERENCES policies (digest),
    PRIMARY KEY (action, role),
    CHECK (active IS NULL OR candidate IS NULL OR active <> candidate)
);

-- what was in force before, the latest on top: what a roll-back goes to
CREATE TABLE policy_former (
    action TEXT NOT NULL,
    role TEXT NOT NULL,
    place BIGINT NOT NULL,
    policy TEXT REFERENCES policies (digest),
    PRIMARY KEY (action, role, place)
);

-- all that happened; what happened to one version is its history, numbered by entry
CREATE TABLE policy_events (
    number BIGINT NOT NULL PRIMARY KEY,
    at_ms BIGINT NOT NULL,
    kind TEXT NOT NULL,
    policy TEXT REFERENCES policies (digest),
    entry BIGINT,
    from_stage TEXT,
    to_stage TEXT,
    target TEXT,
    actor TEXT NOT NULL,
    actor_role TEXT,
    reason TEXT NOT NULL,
    UNIQUE (policy, entry)
);

-- what each target is told, signed; content is the same without number and time
CREATE TABLE policy_assignments (
    target TEXT NOT NULL PRIMARY KEY,
    sequence BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    content TEXT NOT NULL,
    signed TEXT NOT NULL
);

-- what each target last said about a trial
CREATE TABLE policy_trials (
    policy TEXT NOT NULL REFERENCES policies (digest),
    target TEXT NOT NULL,
    role TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    report TEXT NOT NULL,
    PRIMARY KEY (policy, target, role)
);
