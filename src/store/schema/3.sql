-- Which generation answers those who share it. It is kept as long as this row.
CREATE TABLE results (
    circle TEXT NOT NULL, -- team:NAME, or shared
    fingerprint BLOB NOT NULL,
    generation TEXT NOT NULL REFERENCES generations (id) ON DELETE CASCADE,
    expires INTEGER NOT NULL,
    PRIMARY KEY (circle, fingerprint)
) STRICT, WITHOUT ROWID;
CREATE INDEX results_generation ON results (generation);
CREATE INDEX results_expires ON results (expires);

-- What ended before answered its team for a day; of several the latest.
INSERT OR REPLACE INTO results (circle, fingerprint, generation, expires)
SELECT 'team:' || team, fingerprint, id, ended + 86400000 FROM generations
WHERE ended IS NOT NULL AND whole = 1 AND private = 0 AND withdrawn = 0 ORDER BY ended;

-- Was for finding them by team and fingerprint.
DROP INDEX generations_shared;
