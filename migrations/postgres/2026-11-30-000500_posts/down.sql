DROP TABLE post_likes;
DROP TABLE posts;
DROP FUNCTION posts_count_likes;
DROP FUNCTION posts_count_replies;
