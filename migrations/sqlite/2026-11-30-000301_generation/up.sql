-- Which history of the database the numbers of events belong to: one row. `lift` is added to every
-- stored number where it leaves the database; `mark` counts transactions and is also kept in a file
-- beside the database, so that a restored one is recognised. See src/db/generation.rs.
CREATE TABLE generation (
    id BIGINT PRIMARY KEY NOT NULL CHECK (id = 1),
    lift BIGINT NOT NULL,
    mark TEXT NOT NULL
);

INSERT INTO generation (id, lift, mark) VALUES (1, 0, '');
