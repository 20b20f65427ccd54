"""A cluster of one build: PostgreSQL, Redis, two instances and people made by SQL.

The instances run only while they are measured, and are new each time.
"""

import contextlib
import json
import os
import secrets
import subprocess
import sys
import urllib.parse

FIRST_ID = 1_000_001
# As many as idle sockets; senders and receivers are the first of them.
PEOPLE = 10_000

# Accounts without a valid password: the load tool signs their tokens itself.
SEED = f"""
INSERT INTO users (id, username, email, email_key, password_hash, first_name, last_name, search_key, date_joined)
SELECT id, 'bench' || id, 'bench' || id || '@example.com', 'bench' || id || '@example.com', '!',
       'Bench', 'Person', 'bench' || id || E'\\nbench\\nperson', localtimestamp
FROM generate_series({FIRST_ID}, {FIRST_ID + PEOPLE - 1}) AS id;
INSERT INTO profiles (user_id, created_at, updated_at)
SELECT id, date_joined, date_joined FROM users WHERE id >= {FIRST_ID};
INSERT INTO inboxes (user_id) SELECT id FROM users WHERE id >= {FIRST_ID};
"""


def ids(first, count):
    """Returns a range of people as the tools write it, from the `first`, counted from 0."""
    return f"{FIRST_ID + first}-{FIRST_ID + first + count - 1}"


def say(text):
    print(text, file=sys.stderr, flush=True)


class Cluster:
    """The cluster of one build, until it is stopped."""

    def __init__(self, options, name, binary, seed=SEED):
        say(f"Starting a cluster of {binary}")
        self.options, self.name, self.binary = options, name, binary
        self.folder = options.folder / name
        self.service_key = secrets.token_hex(32)
        environment = {**os.environ, "SERVICE_KEYS": f"bench:{self.service_key}"}
        self.script("start", "--instances", "2", "--without-nginx", "--binary", str(binary), environment=environment)
        self.state = self.read_state()
        self.secret_key = self.state["secret_key"]
        self.database_url = self.state["database_url"]
        for number in (1, 2):
            self.script("kill-instance", str(number))
        self.sql(seed)

    def script(self, *arguments, environment=None):
        command = [str(self.options.root / "scripts/cluster"), *arguments, "--dir", str(self.folder)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)

    def read_state(self):
        return json.loads((self.folder / "cluster.json").read_text())

    def sql(self, statements, database=None):
        """Runs SQL statements, then what makes measurements start alike."""
        text = f"{statements}\nVACUUM ANALYZE;\nCHECKPOINT;\n"
        self.postgres("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", database=database, input=text)

    def postgres(self, program, *arguments, database=None, input=None):
        """Runs one of PostgreSQL's clients on a database; returns what it prints."""
        url = urllib.parse.urlsplit(self.database_url)
        environment = {
            **os.environ, "PGHOST": url.hostname, "PGPORT": str(url.port), "PGUSER": url.username,
            "PGPASSWORD": url.password, "PGDATABASE": database or url.path[1:],
        }
        command = [str(self.options.postgres / program), *arguments]
        done = subprocess.run(command, env=environment, input=input, text=True, capture_output=True)
        if done.returncode != 0:
            raise RuntimeError(f"{program} failed: {done.stderr.strip()}")
        return done.stdout

    @contextlib.contextmanager
    def instances(self, count=2):
        """Runs new instances; yields each as a mapping with `url` and `pid`."""
        self.sql("")
        try:
            for number in range(1, count + 1):
                self.script("start-instance", str(number))
            yield self.read_state()["instances"][:count]
        finally:
            for number in range(1, count + 1):
                self.script("kill-instance", str(number))

    def environment(self):
        """Returns the environment of a tool, with the keys that must not be on a command line."""
        keys = {"SECRET_KEY": self.secret_key, "SERVICE_KEY": self.service_key}
        return {**os.environ, **keys, "DATABASE_URL": self.database_url}

    def create_database(self, name):
        """Creates another database with the schema of this build and the same people."""
        self.sql(f"CREATE DATABASE {name};")
        url = urllib.parse.urlsplit(self.database_url)._replace(path=f"/{name}").geturl()
        environment = {**self.environment(), "DATABASE_URL": url, "REDIS_URL": self.state["redis_url"]}
        migrate = [str(self.binary), "migrate"]
        subprocess.run(migrate, check=True, env=environment, cwd=self.folder, stderr=subprocess.DEVNULL)
        self.sql(SEED, database=name)

    def stop(self):
        with contextlib.suppress(subprocess.CalledProcessError):
            self.script("stop", *(["--keep"] if self.options.keep else []))
