-- Stories, which expire, and who has viewed them and reacted to them. Ids are UUIDs in lowercase. The
-- counts are kept by triggers, as those of posts are.
CREATE TABLE stories (
    id TEXT PRIMARY KEY NOT NULL,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    media_url TEXT NOT NULL,
    media_type TEXT NOT NULL,
    caption TEXT,
    created_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP NOT NULL,
    view_count BIGINT NOT NULL DEFAULT 0,
    heart_count BIGINT NOT NULL DEFAULT 0,
    thunder_count BIGINT NOT NULL DEFAULT 0
);

CREATE INDEX stories_user ON stories (user_id, expires_at);
CREATE INDEX stories_expires ON stories (expires_at);

CREATE TABLE story_views (
    story_id TEXT NOT NULL REFERENCES stories (id) ON DELETE CASCADE,
    viewer_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    viewed_at TIMESTAMP NOT NULL,
    PRIMARY KEY (story_id, viewer_id)
);

CREATE INDEX story_views_viewer ON story_views (viewer_id);

-- One reaction of each person. Its type is the name of a column of counts above, less `_count`.
CREATE TABLE story_reactions (
    story_id TEXT NOT NULL REFERENCES stories (id) ON DELETE CASCADE,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    reaction_type TEXT NOT NULL CHECK (reaction_type IN ('heart', 'thunder')),
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (story_id, user_id)
);

CREATE INDEX story_reactions_user ON story_reactions (user_id);

CREATE FUNCTION stories_count_views() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE stories SET view_count = view_count + 1 WHERE id = NEW.story_id;
    ELSE
        UPDATE stories SET view_count = view_count - 1 WHERE id = OLD.story_id;
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION stories_count_reactions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        UPDATE stories SET
            heart_count = heart_count - (OLD.reaction_type = 'heart')::int,
            thunder_count = thunder_count - (OLD.reaction_type = 'thunder')::int
        WHERE id = OLD.story_id;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        UPDATE stories SET
            heart_count = heart_count + (NEW.reaction_type = 'heart')::int,
            thunder_count = thunder_count + (NEW.reaction_type = 'thunder')::int
        WHERE id = NEW.story_id;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER stories_view_changed AFTER INSERT OR DELETE ON story_views
    FOR EACH ROW EXECUTE FUNCTION stories_count_views();
CREATE TRIGGER stories_reaction_changed AFTER INSERT OR UPDATE OR DELETE ON story_reactions
    FOR EACH ROW EXECUTE FUNCTION stories_count_reactions();
