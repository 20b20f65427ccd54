-- The rows go; the migration before drops their table.
DELETE FROM conversations;
