-- Numbers are given out as they are stored: those of a lifted database a second time.
DROP TABLE generation;
