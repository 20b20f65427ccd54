-- All people are sorted for the newest again.
DROP INDEX IF EXISTS users_newest;
