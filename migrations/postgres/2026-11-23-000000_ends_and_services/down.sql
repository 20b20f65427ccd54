-- Sessions end with their tokens again, and services may be taken twice.
DROP TABLE idempotency_keys;
DROP TABLE spent_tokens;
ALTER TABLE users DROP COLUMN tokens_valid_from;
