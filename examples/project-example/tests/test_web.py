"""Frontend and API together, over HTTP on this machine."""

import json
import threading
import unittest
import urllib.request

from pantry.server import make_server as make_api
from pantry.store import MemoryStore
from web.server import make_server as make_web


class Web(unittest.TestCase):
    def setUp(self):
        api = self.start(make_api(MemoryStore(), 0))
        self.web = self.start(make_web(api, 0))

    def start(self, server):
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return f"http://127.0.0.1:{server.server_port}"

    def test_what_is_put_in_through_the_frontend_is_listed(self):
        body = json.dumps({"name": "flour", "quantity": 2}).encode()
        urllib.request.urlopen(self.web + "/api/items", data=body).close()
        with urllib.request.urlopen(self.web + "/api/items") as reply:
            self.assertEqual(json.load(reply), {"items": [{"name": "flour", "quantity": 2}]})

    def test_the_page_is_there(self):
        with urllib.request.urlopen(self.web + "/") as reply:
            self.assertIn(b"Pantry", reply.read())


if __name__ == "__main__":
    unittest.main()
