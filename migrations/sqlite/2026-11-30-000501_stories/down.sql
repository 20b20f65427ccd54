DROP TABLE story_reactions;
DROP TABLE story_views;
DROP TABLE stories;
