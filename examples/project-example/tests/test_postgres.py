"""The database client and the migrations, without a database."""

import unittest
from pathlib import Path

from pantry.migrate import MIGRATIONS, pending
from pantry.postgres import DatabaseError, Scram


class Login(unittest.TestCase):
    # The example of RFC 7677, without the user's name, which PostgreSQL doesn't use.
    challenge = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"

    def test_the_server_must_continue_our_own_login(self):
        with self.assertRaises(DatabaseError):
            Scram("pencil", nonce="another").final(self.challenge)

    def test_a_server_without_the_password_is_refused(self):
        scram = Scram("pencil", nonce="rOprNGfwEbeRWgbNEkqO")
        self.assertTrue(scram.final(self.challenge).startswith(b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2Ra"))
        with self.assertRaises(DatabaseError):
            scram.verify(b"v=AAAA")


class Migrations(unittest.TestCase):
    def test_they_run_in_order_and_once(self):
        files = [Path("002_b.sql"), Path("001_a.sql")]
        self.assertEqual([file.name for file in pending([], files)], ["001_a.sql", "002_b.sql"])
        self.assertEqual([file.name for file in pending(["001_a.sql"], files)], ["002_b.sql"])

    def test_a_database_from_the_future_is_refused(self):
        with self.assertRaises(ValueError):
            pending(["009_z.sql"], [])

    def test_every_file_is_numbered(self):
        for file in MIGRATIONS.glob("*.sql"):
            self.assertRegex(file.name, r"^\d{3}_[a-z_]+\.sql$")


if __name__ == "__main__":
    unittest.main()
