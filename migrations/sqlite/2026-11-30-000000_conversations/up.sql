-- The same as in migrations/postgres, in SQLite's words; the reasons stand there.

CREATE TABLE conversations (
    low_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    high_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    last_message_id BIGINT NOT NULL,
    low_unread BIGINT NOT NULL,
    high_unread BIGINT NOT NULL,
    PRIMARY KEY (low_id, high_id),
    CHECK (low_id <= high_id)
);

CREATE INDEX conversations_high_id ON conversations (high_id, low_id);

INSERT INTO conversations (low_id, high_id, last_message_id, low_unread, high_unread)
SELECT MIN(sender_id, receiver_id), MAX(sender_id, receiver_id), MAX(id),
    SUM(NOT is_read AND receiver_id <= sender_id), SUM(NOT is_read AND receiver_id >= sender_id)
FROM messages GROUP BY 1, 2;

CREATE TRIGGER conversations_after_insert AFTER INSERT ON messages BEGIN
    INSERT INTO conversations (low_id, high_id, last_message_id, low_unread, high_unread)
    VALUES (
        MIN(NEW.sender_id, NEW.receiver_id), MAX(NEW.sender_id, NEW.receiver_id), NEW.id,
        NOT NEW.is_read AND NEW.receiver_id <= NEW.sender_id,
        NOT NEW.is_read AND NEW.receiver_id >= NEW.sender_id
    )
    ON CONFLICT (low_id, high_id) DO UPDATE SET
        last_message_id = MAX(last_message_id, excluded.last_message_id),
        low_unread = low_unread + excluded.low_unread,
        high_unread = high_unread + excluded.high_unread;
END;

CREATE TRIGGER conversations_after_update AFTER UPDATE OF is_read ON messages
WHEN OLD.is_read <> NEW.is_read BEGIN
    UPDATE conversations SET
        low_unread = low_unread + (OLD.is_read - NEW.is_read) * (NEW.receiver_id <= NEW.sender_id),
        high_unread = high_unread + (OLD.is_read - NEW.is_read) * (NEW.receiver_id >= NEW.sender_id)
    WHERE low_id = MIN(NEW.sender_id, NEW.receiver_id) AND high_id = MAX(NEW.sender_id, NEW.receiver_id);
END;

CREATE TRIGGER conversations_after_delete AFTER DELETE ON messages BEGIN
    UPDATE conversations SET
        low_unread = low_unread - (NOT OLD.is_read AND OLD.receiver_id <= OLD.sender_id),
        high_unread = high_unread - (NOT OLD.is_read AND OLD.receiver_id >= OLD.sender_id)
    WHERE low_id = MIN(OLD.sender_id, OLD.receiver_id) AND high_id = MAX(OLD.sender_id, OLD.receiver_id);
    UPDATE conversations SET last_message_id = MAX(
        COALESCE((SELECT MAX(id) FROM messages WHERE sender_id = low_id AND receiver_id = high_id), 0),
        COALESCE((SELECT MAX(id) FROM messages WHERE sender_id = high_id AND receiver_id = low_id), 0)
    )
    WHERE low_id = MIN(OLD.sender_id, OLD.receiver_id) AND high_id = MAX(OLD.sender_id, OLD.receiver_id)
        AND last_message_id = OLD.id;
    DELETE FROM conversations
    WHERE low_id = MIN(OLD.sender_id, OLD.receiver_id) AND high_id = MAX(OLD.sender_id, OLD.receiver_id)
        AND last_message_id = 0;
END;

CREATE TRIGGER messages_keep_their_pair BEFORE UPDATE OF id, sender_id, receiver_id ON messages
WHEN OLD.id <> NEW.id OR OLD.sender_id <> NEW.sender_id OR OLD.receiver_id <> NEW.receiver_id BEGIN
    SELECT RAISE(ABORT, 'a message keeps its id, its sender and its receiver');
END;

CREATE INDEX messages_sender_id ON messages (sender_id, id);
CREATE INDEX messages_receiver_id ON messages (receiver_id, id);
DROP INDEX messages_receiver_sender;
DROP INDEX messages_unread;

CREATE INDEX users_newest ON users (date_joined, id);

CREATE INDEX friendships_requests
    ON friendships (low_id + high_id - asked_by, created_at, id) WHERE accepted_at IS NULL;
