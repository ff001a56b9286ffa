"""Recommendations while Redis is down or frozen."""

from django.conf import settings
from django.test import LiveServerTestCase

from tests.catalog.factories import make_category, make_product
from tests.faults.test_services_down import dead_address, send_request, shop
from tests.recommendations.factories import Kind, add_recommendations


class RedisDownTest(LiveServerTestCase):
    def test_recommendations_are_read_from_the_database_in_time(self) -> None:
        a, b, c = [make_product(category=make_category(name)) for name in ("A", "B", "C")]
        add_recommendations(Kind.SIMILAR, a, c, b)
        add_recommendations(Kind.BOUGHT_TOGETHER, a, b)
        query = f"{{ product(id: {a.pk}) {{ similar {{ name }} boughtTogether {{ name }} }} }}"
        database = settings.DATABASES["default"]
        with dead_address() as redis:
            for way in redis.ways():
                url = f"redis://{redis.host}:{redis.port}/0"
                # Start a new shop for each case, because a failure pauses the use of Redis for a while.
                running = shop(REDIS_URL=url, DB_NAME=database["NAME"])
                with running as url, self.subTest(redis=way):
                    status, card = send_request(f"{url}/product?id={a.pk}")
                    assert status == 200
                    assert [item["id"] for item in card["similar"]] == [c.pk, b.pk]
                    assert [item["id"] for item in card["bought_together"]] == [b.pk, c.pk]
                    status, response = send_request(f"{url}/graphql", {"query": query})
                    shown = response["data"]["product"]
                    assert [p["name"] for p in shown["similar"]] == [c.name, b.name]
                    assert [p["name"] for p in shown["boughtTogether"]] == [b.name, c.name]
                    status, listed = send_request(f"{url}/recommendations?limit=2")
                    assert (status, len(listed["items"])) == (200, 2)
