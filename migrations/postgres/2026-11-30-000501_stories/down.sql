DROP TABLE story_reactions;
DROP TABLE story_views;
DROP TABLE stories;
DROP FUNCTION stories_count_reactions;
DROP FUNCTION stories_count_views;
