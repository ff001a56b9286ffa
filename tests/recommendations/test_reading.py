"""Lists of recommendations: what they hold, in which order, and what they cost."""

from django.test import TestCase

from backend.carts.services import WantedLine, add_lines, get_cart
from backend.catalog.models import Product
from backend.core.redis import redis_client
from backend.core.viewer import Viewer
from backend.orders.services import create_order
from backend.recommendations.models import Recommendation
from backend.recommendations.selectors import Kind, read_related, recommend, suggest_for_cart
from tests.catalog.factories import make_category, make_image, make_product
from tests.clients import GraphQLClient, RestClient
from tests.people import make_user, viewer_of


def teach(kind: Kind, subject: Product, *others: Product) -> None:
    """Put a list into the table, the best first."""
    Recommendation.objects.bulk_create(
        Recommendation(kind=kind, subject_id=subject.pk, other=other, score=1 / place)
        for place, other in enumerate(others, 1)
    )


class RecommendationsCase(TestCase):
    def setUp(self) -> None:
        redis_client().flushdb()
        self.category = make_category("Mugs")
        self.products = [make_product(category=self.category) for _ in range(8)]


class RelatedTest(RecommendationsCase):
    def test_order_of_the_table_then_next_best(self) -> None:
        a, b, c, d, *rest = self.products
        teach(Kind.BOUGHT_TOGETHER, a, c)
        teach(Kind.SIMILAR, a, c, b)
        lists = read_related([Kind.SIMILAR, Kind.BOUGHT_TOGETHER], [a], 4)
        assert lists[Kind.BOUGHT_TOGETHER, a.pk][:2] == [c, b]
        assert lists[Kind.SIMILAR, a.pk] == [c, b, rest[-1], rest[-2]]

    def test_query_counts(self) -> None:
        for p in self.products:
            make_image(p)
            teach(Kind.BOUGHT_TOGETHER, p, *[o for o in self.products if o != p])
            teach(Kind.SIMILAR, p, *[o for o in self.products if o != p])
        q = "query($n:Int!){ products(first:$n){ nodes { id image{url} boughtTogether(first:3){ id image{url} similar(first:3){ id } } } } }"
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        for n in (1, 5):
            for _ in range(2):
                with CaptureQueriesContext(connection) as c:
                    print(n, GraphQLClient().data(q, {"n": n})["products"]["nodes"][0])
                print(len(c))
                [print("   ", x["sql"][:150]) for x in c.captured_queries]
        for _ in range(2):
            with CaptureQueriesContext(connection) as c:
                r = RestClient().get("/product", {"id": self.products[0].pk})
            print(r.status_code, len(c))
        print(len(r.json()["similar"]), RestClient().get("/recommendations").json()["items"][0]["id"])
        print(RestClient().get("/recommendations?limit=51").json())

    def test_others(self):
        a, b, c, d, *rest = self.products
        u = make_user()
        v = viewer_of(u)
        teach(Kind.COMPLEMENT, a, b, c)
        teach(Kind.COMPLEMENT, b, a, d, c)
        add_lines(viewer=v, lines=[WantedLine(a.pk), WantedLine(b.pk)])
        assert suggest_for_cart(get_cart(viewer=v).lines, 2) == [c, d], suggest_for_cart(
            get_cart(viewer=v).lines, 2
        )
        create_order(viewer=v)
        assert recommend(v, 2) == [c, d]
        print(recommend(Viewer(), 3))
