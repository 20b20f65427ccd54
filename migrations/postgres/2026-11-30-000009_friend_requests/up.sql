-- The requests to a user, in order. Of the two, the addressee is the one who did not ask.
CREATE INDEX CONCURRENTLY IF NOT EXISTS friendships_requests
    ON friendships ((low_id + high_id - asked_by), created_at, id) WHERE accepted_at IS NULL;
