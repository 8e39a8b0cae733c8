-- The name of the caller's key, by which limits and usage know it.
ALTER TABLE generations ADD COLUMN key_name TEXT NOT NULL DEFAULT '';

CREATE TABLE budgets (
    number INTEGER PRIMARY KEY,
    account TEXT NOT NULL, -- team:NAME or key:TEAM/NAME
    unit TEXT NOT NULL,
    period TEXT NOT NULL,
    timezone TEXT NOT NULL,
    enforced INTEGER NOT NULL,
    since INTEGER NOT NULL, -- counted from then on
    UNIQUE (account, unit, period, timezone, enforced)
) STRICT;

-- Amounts are millionths of the budget's unit.
CREATE TABLE windows (
    budget INTEGER NOT NULL REFERENCES budgets (number),
    start INTEGER NOT NULL,
    used INTEGER NOT NULL DEFAULT 0,
    held INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (budget, start)
) STRICT, WITHOUT ROWID;

CREATE TABLE holds (
    generation TEXT NOT NULL,
    budget INTEGER NOT NULL,
    start INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    PRIMARY KEY (generation, budget),
    FOREIGN KEY (budget, start) REFERENCES windows (budget, start)
) STRICT, WITHOUT ROWID;

-- Days are UTC. Credits are micro-credits.
CREATE TABLE usage (
    day TEXT NOT NULL,
    team TEXT NOT NULL,
    key TEXT NOT NULL,
    model TEXT NOT NULL,
    requests INTEGER NOT NULL,
    hits INTEGER NOT NULL,
    images INTEGER NOT NULL,
    credits INTEGER NOT NULL,
    PRIMARY KEY (day, team, key, model)
) STRICT, WITHOUT ROWID;

-- Keys made through the admin API; those of the configuration are not here.
CREATE TABLE minted_keys (
    id TEXT PRIMARY KEY,
    team TEXT NOT NULL,
    name TEXT NOT NULL,
    digest BLOB NOT NULL UNIQUE,
    created INTEGER NOT NULL,
    expires INTEGER,
    replaced_by TEXT -- the id of the key that took its place
) STRICT, WITHOUT ROWID;

-- When a key, minted or configured, last let somebody in.
CREATE TABLE key_uses (
    id TEXT PRIMARY KEY,
    last_used INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
