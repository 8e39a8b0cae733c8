-- Times are Unix time in milliseconds, credits are micro-credits. `plan` and the outcomes are JSON with a version.
CREATE TABLE generations (
    number INTEGER PRIMARY KEY, -- in the order of admission
    id TEXT NOT NULL UNIQUE,
    team TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    plan TEXT NOT NULL,
    created INTEGER NOT NULL,
    promised INTEGER NOT NULL DEFAULT 0,
    withdrawn INTEGER NOT NULL DEFAULT 0,
    private INTEGER NOT NULL DEFAULT 0,
    ended INTEGER,
    outcome TEXT,
    whole INTEGER NOT NULL DEFAULT 0 -- all its images were made
) STRICT;
CREATE INDEX generations_unfinished ON generations (number) WHERE ended IS NULL;
CREATE INDEX generations_ended ON generations (ended, number) WHERE ended IS NOT NULL;
CREATE INDEX generations_shared ON generations (team, fingerprint, ended) WHERE whole = 1 AND private = 0;

CREATE TABLE purchases (
    generation TEXT NOT NULL REFERENCES generations (id) ON DELETE CASCADE,
    image INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    upstream_key TEXT NOT NULL,
    body BLOB, -- NULL once the task is known: the create is never repeated then
    begun INTEGER NOT NULL,
    task TEXT,
    reserved INTEGER,
    outcome TEXT,
    PRIMARY KEY (generation, image, attempt)
) STRICT, WITHOUT ROWID;
CREATE INDEX purchases_task ON purchases (task) WHERE task IS NOT NULL;

-- What is in the picture store.
CREATE TABLE pictures (
    generation TEXT NOT NULL REFERENCES generations (id) ON DELETE CASCADE,
    image INTEGER NOT NULL,
    content BLOB NOT NULL,
    format TEXT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (generation, image)
) STRICT, WITHOUT ROWID;

-- A client's key has one answer.
CREATE TABLE idempotency_keys (
    team TEXT NOT NULL,
    key TEXT NOT NULL,
    generation TEXT NOT NULL REFERENCES generations (id) ON DELETE CASCADE,
    PRIMARY KEY (team, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_generation ON idempotency_keys (generation);

-- Outlives its generation: the file is to be deleted upstream.
CREATE TABLE uploads (
    generation TEXT NOT NULL,
    content BLOB NOT NULL,
    file TEXT,
    url TEXT NOT NULL,
    expires INTEGER NOT NULL,
    PRIMARY KEY (generation, content)
) STRICT, WITHOUT ROWID;
CREATE INDEX uploads_file ON uploads (file);
CREATE INDEX uploads_expires ON uploads (expires);
