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
    ended INTEGER,
    outcome TEXT
) STRICT;
CREATE INDEX generations_unfinished ON generations (number) WHERE ended IS NULL;
CREATE INDEX generations_ended ON generations (ended, number) WHERE ended IS NOT NULL;

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
