"""Pictures in both APIs: renditions, thumbnails and alternative texts."""

from django.core.files.storage import FileSystemStorage, default_storage
from django.test import TestCase

from backend.catalog.models import Category, ProductImage
from backend.catalog.renditions import Picture, list_rendition_names, parse_rendition_name
from backend.core.media.storage import LocalStorage
from tests.catalog.factories import make_category, make_product
from tests.support.clients import GraphQLClient, RestClient
from tests.support.object_storage import Moto

MEDIA = "http://localhost:8000/media"
NAME = "products/cup-0123456789ab.png"
MADE = f"{MEDIA}/renditions/{NAME}"
THUMBNAILS = {1: 160, 160: 160, 161: 400, 400: 400, 401: 800, 500: 800, 9999: 800}


class PictureTest(TestCase):
    def setUp(self) -> None:
        self.product = make_product("Cup")
        self.image = ProductImage.objects.create(
            product=self.product, file=NAME, width=500, height=250, sha256="0" * 64
        )
        self.graphql, self.rest = GraphQLClient(), RestClient()

    def make(self) -> None:
        ProductImage.objects.update(renditions=[160, 400, 800])

    def query_image(self, fields: str) -> dict:
        query = f"query($id: ID) {{ product(id: $id) {{ image {{ {fields} }} }} }}"
        return self.graphql.data(query, {"id": self.product.pk})["product"]["image"]

    def test_original_is_returned_without_renditions(self) -> None:
        url = f"{MEDIA}/{NAME}"
        assert self.query_image("url srcset thumbnail(size: 100)") == {
            "url": url,
            "srcset": f"{url} 500w",
            "thumbnail": url,
        }
        image = self.rest.get("/product", {"id": self.product.pk}).json()["image"]
        assert (image["url"], image["renditions"], image["srcset"]) == (url, [], f"{url} 500w")

    def test_renditions_are_returned(self) -> None:
        self.make()
        srcset = f"{MADE}.160.webp 160w, {MADE}.400.webp 400w, {MADE}.800.webp 500w"
        assert self.query_image("srcset jpeg: srcset(format: JPEG)") == {
            "srcset": srcset,
            "jpeg": srcset.replace("webp", "jpeg"),
        }
        assert self.rest.get("/product", {"id": self.product.pk}).json()["images"] == [
            {
                "url": f"{MEDIA}/{NAME}",
                "alt": "Cup",
                "width": 500,
                "height": 250,
                "srcset": srcset,
                "renditions": [
                    {
                        "width": width,
                        "height": width // 2,
                        "webp": f"{MADE}.{place}.webp",
                        "jpeg": f"{MADE}.{place}.jpeg",
                    }
                    for place, width in [(160, 160), (400, 400), (800, 500)]
                ],
            }
        ]

    def test_thumbnail_is_the_smallest_sufficient_rendition(self) -> None:
        self.make()
        for size, place in THUMBNAILS.items():
            with self.subTest(size):
                thumbnails = self.query_image(
                    f"thumbnail(size: {size}) jpeg: thumbnail(size: {size}, format: JPEG)"
                )
                assert thumbnails == {"thumbnail": f"{MADE}.{place}.webp", "jpeg": f"{MADE}.{place}.jpeg"}

    def test_thumbnail_larger_than_every_rendition_is_the_original(self) -> None:
        picture = Picture(name=NAME, alt="", width=3000, height=1, widths=[160, 400, 800, 1600])
        assert picture.thumbnail(1600) == f"{MADE}.1600.webp"
        assert picture.thumbnail(1601) == f"{MEDIA}/{NAME}"
        assert picture.renditions[0].height == 1

    def test_url_of_a_local_file_equals_that_of_django(self) -> None:
        assert isinstance(default_storage, LocalStorage)
        for name in (
            NAME,
            "products/Чашка 1.png",
            "a?b#c%d&e.png",
            "a+b@c(d).png",
            "renditions/x.png.160.webp",
        ):
            with self.subTest(name):
                assert default_storage.url(name) == FileSystemStorage.url(default_storage, name)

    def test_thumbnail_size_below_one_is_refused(self) -> None:
        query = f"{{ product(id: {self.product.pk}) {{ image {{ thumbnail(size: 0) }} }} }}"
        error = self.graphql.error(query)
        assert error["extensions"]["code"] == "OUT_OF_RANGE"
        assert error["message"] == "size must be at least 1, not 0."

    def test_alternative_text_falls_back_to_the_name(self) -> None:
        assert self.query_image("alt") == {"alt": "Cup"}
        ProductImage.objects.update(alt="A cup from above")
        assert self.query_image("alt") == {"alt": "A cup from above"}

    def test_category_image_is_returned(self) -> None:
        category = make_category("Cups")
        query = "{ categories { image { url alt width height thumbnail(size: 160) } } }"
        assert self.graphql.data(query) == {"categories": [{"image": None}]}
        Category.objects.filter(pk=category.pk).update(
            image=NAME, image_width=200, image_height=100, renditions=[160, 400], image_alt="Three cups"
        )
        image = {"url": f"{MEDIA}/{NAME}", "alt": "Three cups", "width": 200, "height": 100}
        assert self.graphql.data(query)["categories"] == [
            {"image": image | {"thumbnail": f"{MADE}.160.webp"}}
        ]
        (node,) = self.rest.get("/categories").json()
        assert {name: node["image"][name] for name in image} == image
        assert [rendition["width"] for rendition in node["image"]["renditions"]] == [160, 200]

    def test_list_does_not_access_the_storage(self) -> None:
        self.make()
        query = """{ products { nodes {
            image { url alt width height srcset thumbnail(size: 300) } images { srcset(format: JPEG) }
        } } }"""
        # No server listens there, so any call to the storage fails.
        dead_server = Moto()
        self.addCleanup(dead_server.remove)
        with dead_server.as_media():
            for count in (1, 30):
                for _ in range(count):
                    ProductImage.objects.create(
                        product=make_product(), file=NAME, width=500, height=250, renditions=[160, 400, 800]
                    )
                with self.assertNumQueries(1):
                    nodes = self.graphql.data(query)["products"]["nodes"]
                assert all(node["image"]["srcset"] for node in nodes)
                with self.assertNumQueries(2):
                    assert self.rest.get("/products").json()["items"][0]["image"]["renditions"]


class NamesTest(TestCase):
    def test_rendition_names_can_be_parsed(self) -> None:
        for name in list_rendition_names(NAME):
            original, width = parse_rendition_name(name)
            assert original == NAME
            assert str(width) in name
        assert len(set(list_rendition_names(NAME))) == 8
        for name in (
            "renditions/readme.txt",
            "renditions/a.webp",
            "renditions/a.x.webp",
            "renditions/a.160.gif",
        ):
            assert parse_rendition_name(name) == ("", 0)
