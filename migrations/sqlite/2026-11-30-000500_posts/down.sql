DROP TABLE post_likes;
DROP TABLE posts;
