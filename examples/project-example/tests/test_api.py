"""The API's answers, without a network and without a database."""

import unittest

from pantry.api import answer
from pantry.postgres import DatabaseError
from pantry.store import MemoryStore


class Api(unittest.TestCase):
    def setUp(self):
        self.store = MemoryStore()

    def get(self, path):
        return answer(self.store, "GET", path, None)

    def add(self, **body):
        return answer(self.store, "POST", "/api/items", body)

    def test_an_empty_pantry_has_no_items(self):
        self.assertEqual(self.get("/api/items"), (200, {"items": []}))

    def test_items_are_listed_by_name(self):
        self.add(name="rice", quantity=2)
        self.add(name="beans")
        names = [item["name"] for item in self.get("/api/items")[1]["items"]]
        self.assertEqual(names, ["beans", "rice"])

    def test_more_of_the_same_item_adds_up(self):
        self.add(name="rice", quantity=2)
        self.assertEqual(self.add(name="rice", quantity=3), (201, {"name": "rice", "quantity": 5}))

    def test_bad_items_are_refused(self):
        for body in ({}, {"name": " "}, {"name": "rice", "quantity": 0}, {"name": "rice", "quantity": True}):
            with self.subTest(body):
                self.assertEqual(answer(self.store, "POST", "/api/items", body)[0], 400)

    def test_unknown_path_is_not_found(self):
        self.assertEqual(self.get("/api/nothing")[0], 404)

    def test_a_database_that_is_away_makes_the_service_unready_not_dead(self):
        def away():
            raise DatabaseError("away")

        self.store.ping = away
        self.assertEqual(self.get("/readyz")[0], 503)
        self.assertEqual(self.get("/healthz")[0], 200)


if __name__ == "__main__":
    unittest.main()
