-- Installations on one Redis hear each other again.
DROP TABLE instances;
DROP TABLE installation;
