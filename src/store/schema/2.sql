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
