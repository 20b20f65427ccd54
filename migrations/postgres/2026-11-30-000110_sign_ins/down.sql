DROP TABLE IF EXISTS sign_ins;
ALTER TABLE users DROP COLUMN ended_sign_ins;
