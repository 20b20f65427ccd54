-- Copies users, friendships and messages from the Django backend's tables to those of this
-- service, in the same PostgreSQL database and one transaction. Ids, password hashes and
-- times are kept; Django's tables are not changed:
--
--   numeneon migrate
--   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -f deploy/from-django.sql
--
-- docs/moving-from-django.md says what to do when a statement fails.
BEGIN;

-- Fails on users_email_key_key if two accounts have the same email, which Django permitted.
INSERT INTO users (id, username, email, email_key, password_hash, first_name, last_name,
                   search_key, is_active, is_superuser, date_joined)
SELECT id, username, email,
       -- Accounts without an email could never log in; each gets a unique key.
       CASE WHEN email = '' THEN 'none:' || id ELSE lower(email COLLATE "und-x-icu") END,
       password, first_name, last_name,
       lower((username || E'\n' || first_name || E'\n' || last_name) COLLATE "und-x-icu"),
       is_active, is_superuser, date_joined AT TIME ZONE 'UTC'
FROM auth_user;

INSERT INTO profiles (id, user_id, bio, avatar, location, website, created_at, updated_at)
SELECT id, user_id, coalesce(bio, ''), nullif(avatar, ''), coalesce(location, ''), coalesce(website, ''),
       created_at AT TIME ZONE 'UTC', updated_at AT TIME ZONE 'UTC'
FROM users_profile;

-- Users without a profile get an empty one.
SELECT setval(pg_get_serial_sequence('profiles', 'id'), greatest(1, (SELECT max(id) FROM profiles)));
INSERT INTO profiles (user_id, created_at, updated_at)
SELECT id, date_joined, date_joined FROM users
WHERE NOT EXISTS (SELECT 1 FROM profiles WHERE profiles.user_id = users.id);

INSERT INTO inboxes (user_id) SELECT id FROM users;

-- Friend requests keep their ids, because open pages refer to them. Of two requests between the
-- same users, in either direction, the first is kept.
INSERT INTO friendships (id, low_id, high_id, asked_by, created_at)
SELECT DISTINCT ON (low_id, high_id) id, low_id, high_id, from_user_id, created_at
FROM (
    SELECT id, least(from_user_id, to_user_id) AS low_id, greatest(from_user_id, to_user_id) AS high_id,
           from_user_id, created_at AT TIME ZONE 'UTC' AS created_at
    FROM friends_friendrequest
    WHERE from_user_id <> to_user_id
) AS requests
WHERE NOT EXISTS (
    SELECT 1 FROM friends_friendship f
    WHERE (f.user_id, f.friend_id) IN ((low_id, high_id), (high_id, low_id))
)
ORDER BY low_id, high_id, created_at, id;
SELECT setval(pg_get_serial_sequence('friendships', 'id'), greatest(1, (SELECT max(id) FROM friendships)));

-- Two rows, or one where a race left only one side, become one.
INSERT INTO friendships (low_id, high_id, asked_by, created_at, accepted_at)
SELECT least(user_id, friend_id), greatest(user_id, friend_id), least(user_id, friend_id),
       min(created_at) AT TIME ZONE 'UTC', min(created_at) AT TIME ZONE 'UTC'
FROM friends_friendship
WHERE user_id <> friend_id
GROUP BY 1, 2
ORDER BY min(created_at);

INSERT INTO messages (id, sender_id, receiver_id, content, is_read, created_at)
SELECT id, sender_id, receiver_id, content, is_read, created_at AT TIME ZONE 'UTC'
FROM messages_app_message;

SELECT setval(pg_get_serial_sequence('users', 'id'), greatest(1, (SELECT max(id) FROM users)));
SELECT setval(pg_get_serial_sequence('messages', 'id'), greatest(1, (SELECT max(id) FROM messages)));

COMMIT;
