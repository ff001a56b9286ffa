"""Recommendations go on without Redis, whether it is gone or frozen."""

from django.conf import settings
from django.test import LiveServerTestCase

from tests.catalog.factories import make_category, make_product
from tests.faults.test_services_down import ask, dead_address, shop
from tests.recommendations.shop import Kind, teach


class RedisDown(LiveServerTestCase):
    def test_lists_come_from_the_table_in_time(self) -> None:
        a, b, c = [make_product(category=make_category(name)) for name in ("A", "B", "C")]
        teach(Kind.SIMILAR, a, c, b)
        teach(Kind.BOUGHT_TOGETHER, a, b)
        query = f"{{ product(id: {a.pk}) {{ similar {{ name }} boughtTogether {{ name }} }} }}"
        database = settings.DATABASES["default"]
        with dead_address() as redis:
            for way in redis.ways():
                url = f"redis://{redis.host}:{redis.port}/0"
                # A shop of its own each time: after a failure one does without Redis for a while.
                running = shop(REDIS_URL=url, DB_NAME=database["NAME"])
                with running as address, self.subTest(redis=way):
                    status, card = ask(f"{address}/product?id={a.pk}")
                    self.assertEqual(status, 200)
                    self.assertEqual([item["id"] for item in card["similar"]], [c.pk, b.pk])
                    self.assertEqual([item["id"] for item in card["bought_together"]], [b.pk, c.pk])
                    status, answer = ask(f"{address}/graphql", {"query": query})
                    shown = answer["data"]["product"]
                    self.assertEqual([p["name"] for p in shown["similar"]], [c.name, b.name])
                    self.assertEqual([p["name"] for p in shown["boughtTogether"]], [b.name, c.name])
                    status, listed = ask(f"{address}/recommendations?limit=2")
                    self.assertEqual((status, len(listed["items"])), (200, 2))
