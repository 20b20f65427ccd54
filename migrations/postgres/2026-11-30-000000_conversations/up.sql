-- A conversation is a row: its list reads as many rows as it returns, however long the
-- history is. Triggers on `messages` keep it, so that every writer does: instances of the
-- version before, imports by SQL, and the cascade of a deleted user.
--
-- Every message updates a row here: part of each page stays free, and no index is on what a
-- message changes, so that the update stays on its page and touches no index.
CREATE TABLE conversations (
    low_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    high_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    last_message_id BIGINT NOT NULL,
    -- Unread messages to each of the two. Only of a conversation that the next migration has
    -- not counted yet may they be negative.
    low_unread BIGINT NOT NULL,
    high_unread BIGINT NOT NULL,
    PRIMARY KEY (low_id, high_id),
    CHECK (low_id <= high_id)
) WITH (fillfactor = 70);

CREATE INDEX conversations_high_id ON conversations (high_id, low_id);

-- Each trigger applies what its statement changed, not what it counts: a count would miss
-- what others have not committed yet. The upsert locks the rows of all pairs in ascending
-- order, so that two transactions cannot wait for each other.
CREATE FUNCTION conversations_after_insert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO conversations AS c (low_id, high_id, last_message_id, low_unread, high_unread)
    SELECT LEAST(sender_id, receiver_id), GREATEST(sender_id, receiver_id), MAX(id),
        COUNT(*) FILTER (WHERE NOT is_read AND receiver_id <= sender_id),
        COUNT(*) FILTER (WHERE NOT is_read AND receiver_id >= sender_id)
    FROM changed GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (low_id, high_id) DO UPDATE SET
        last_message_id = GREATEST(c.last_message_id, excluded.last_message_id),
        low_unread = c.low_unread + excluded.low_unread,
        high_unread = c.high_unread + excluded.high_unread;
    RETURN NULL;
END
$$;

-- Sums of both tables, not their join: the plan is kept from the first call, and one that
-- is right for a row takes forever for a million.
CREATE FUNCTION conversations_after_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO conversations AS c (low_id, high_id, last_message_id, low_unread, high_unread)
    SELECT LEAST(sender_id, receiver_id), GREATEST(sender_id, receiver_id), MAX(id),
        SUM(CASE WHEN receiver_id <= sender_id THEN unread ELSE 0 END),
        SUM(CASE WHEN receiver_id >= sender_id THEN unread ELSE 0 END)
    FROM (
        SELECT id, sender_id, receiver_id, CASE WHEN is_read THEN 0 ELSE 1 END AS unread FROM changed
        UNION ALL
        SELECT id, sender_id, receiver_id, CASE WHEN is_read THEN 0 ELSE -1 END FROM before_change
    ) AS both_states GROUP BY 1, 2 HAVING SUM(unread) <> 0 ORDER BY 1, 2
    ON CONFLICT (low_id, high_id) DO UPDATE SET
        low_unread = c.low_unread + excluded.low_unread,
        high_unread = c.high_unread + excluded.high_unread;
    RETURN NULL;
END
$$;

-- Of a deleted user nothing is counted: the cascade deletes their conversations. Elsewhere
-- the rows are locked first, and the last message is then looked up in a snapshot taken
-- after that, which has whatever was committed before the lock.
CREATE FUNCTION conversations_after_delete() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    lows BIGINT[];
    highs BIGINT[];
BEGIN
    WITH locked AS (
        INSERT INTO conversations AS c (low_id, high_id, last_message_id, low_unread, high_unread)
        SELECT pairs.* FROM (
            SELECT LEAST(sender_id, receiver_id) AS low_id, GREATEST(sender_id, receiver_id) AS high_id, 0,
                -COUNT(*) FILTER (WHERE NOT is_read AND receiver_id <= sender_id),
                -COUNT(*) FILTER (WHERE NOT is_read AND receiver_id >= sender_id)
            FROM before_change GROUP BY 1, 2
        ) AS pairs
        JOIN users AS low ON low.id = pairs.low_id JOIN users AS high ON high.id = pairs.high_id
        ORDER BY 1, 2
        ON CONFLICT (low_id, high_id) DO UPDATE SET
            low_unread = c.low_unread + excluded.low_unread,
            high_unread = c.high_unread + excluded.high_unread
        RETURNING low_id, high_id
    )
    SELECT array_agg(low_id), array_agg(high_id) INTO lows, highs FROM locked;
    IF lows IS NULL THEN
        RETURN NULL;
    END IF;
    UPDATE conversations AS c SET last_message_id = COALESCE(GREATEST(
        (SELECT MAX(id) FROM messages WHERE sender_id = c.low_id AND receiver_id = c.high_id),
        (SELECT MAX(id) FROM messages WHERE sender_id = c.high_id AND receiver_id = c.low_id)
    ), 0)
    FROM unnest(lows, highs) AS pair(low_id, high_id)
    WHERE c.low_id = pair.low_id AND c.high_id = pair.high_id;
    DELETE FROM conversations AS c USING unnest(lows, highs) AS pair(low_id, high_id)
    WHERE c.low_id = pair.low_id AND c.high_id = pair.high_id AND c.last_message_id = 0;
    RETURN NULL;
END
$$;

CREATE FUNCTION messages_keep_their_pair() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a message keeps its id, its sender and its receiver' USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER conversations_after_insert AFTER INSERT ON messages
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION conversations_after_insert();
CREATE TRIGGER conversations_after_update AFTER UPDATE ON messages
    REFERENCING OLD TABLE AS before_change NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION conversations_after_update();
CREATE TRIGGER conversations_after_delete AFTER DELETE ON messages
    REFERENCING OLD TABLE AS before_change
    FOR EACH STATEMENT EXECUTE FUNCTION conversations_after_delete();
CREATE TRIGGER messages_keep_their_pair BEFORE UPDATE OF id, sender_id, receiver_id ON messages
    FOR EACH ROW WHEN (OLD.id <> NEW.id OR OLD.sender_id <> NEW.sender_id OR OLD.receiver_id <> NEW.receiver_id)
    EXECUTE FUNCTION messages_keep_their_pair();
