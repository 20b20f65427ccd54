-- The next one drops the table.
SELECT 1;
