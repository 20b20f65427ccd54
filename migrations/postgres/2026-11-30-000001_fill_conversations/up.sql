-- Counts the conversations of the history, in parts of two commits each: a part locks some
-- thousand rows for a second at most, while messages are sent. Killed and started again, it
-- counts all anew. It must stay one statement, outside a transaction.
--
-- A part is exact beside the triggers: it inserts the missing rows of its pairs, locks all of
-- its rows, and counts in a snapshot taken after that. The insertion is committed before the
-- rows are locked in their order: it holds higher ones, for which others may wait that hold
-- lower ones. What committed before the lock is in
-- the snapshot; what did not waits for the lock, and adds what it changes.
DO $$
DECLARE
    first_id BIGINT := (SELECT MIN(id) FROM users);
    next_id BIGINT;
    lows BIGINT[];
    highs BIGINT[];
BEGIN
    WHILE first_id IS NOT NULL LOOP
        -- The users of this part are those before `next_id`, the first of the next part.
        next_id := (SELECT id FROM users WHERE id >= first_id ORDER BY id OFFSET 1000 LIMIT 1);
        INSERT INTO conversations (low_id, high_id, last_message_id, low_unread, high_unread)
        SELECT low_id, high_id, 0, 0, 0 FROM (
            SELECT sender_id AS low_id, receiver_id AS high_id FROM messages
            WHERE sender_id >= first_id AND sender_id < COALESCE(next_id, 9223372036854775807)
                AND receiver_id >= sender_id
            UNION
            SELECT receiver_id, sender_id FROM messages
            WHERE receiver_id >= first_id AND receiver_id < COALESCE(next_id, 9223372036854775807)
                AND sender_id > receiver_id
        ) AS pairs ORDER BY 1, 2
        ON CONFLICT (low_id, high_id) DO NOTHING;
        COMMIT;

        SELECT array_agg(low_id), array_agg(high_id) INTO lows, highs FROM (
            SELECT low_id, high_id FROM conversations
            WHERE low_id >= first_id AND low_id < COALESCE(next_id, 9223372036854775807)
            ORDER BY low_id, high_id FOR UPDATE
        ) AS locked;

        UPDATE conversations AS c SET
            last_message_id = counted.last_message_id,
            low_unread = counted.low_unread,
            high_unread = counted.high_unread
        FROM (
            SELECT low_id, high_id, MAX(last_message_id) AS last_message_id,
                SUM(low_unread) AS low_unread, SUM(high_unread) AS high_unread
            FROM (
                SELECT sender_id AS low_id, receiver_id AS high_id, MAX(id) AS last_message_id,
                    COUNT(*) FILTER (WHERE NOT is_read AND sender_id = receiver_id) AS low_unread,
                    COUNT(*) FILTER (WHERE NOT is_read) AS high_unread
                FROM messages
                WHERE sender_id >= first_id AND sender_id < COALESCE(next_id, 9223372036854775807)
                    AND receiver_id >= sender_id
                GROUP BY 1, 2
                UNION ALL
                SELECT receiver_id, sender_id, MAX(id), COUNT(*) FILTER (WHERE NOT is_read), 0
                FROM messages
                WHERE receiver_id >= first_id AND receiver_id < COALESCE(next_id, 9223372036854775807)
                    AND sender_id > receiver_id
                GROUP BY 1, 2
            ) AS halves GROUP BY 1, 2
        ) AS counted
        JOIN unnest(lows, highs) AS locked(low_id, high_id)
            ON locked.low_id = counted.low_id AND locked.high_id = counted.high_id
        WHERE c.low_id = counted.low_id AND c.high_id = counted.high_id;

        -- Pairs whose messages were all deleted while this part began.
        DELETE FROM conversations AS c USING unnest(lows, highs) AS locked(low_id, high_id)
        WHERE c.low_id = locked.low_id AND c.high_id = locked.high_id AND c.last_message_id = 0;

        COMMIT;
        first_id := next_id;
    END LOOP;
END
$$;
