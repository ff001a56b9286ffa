"""Two workers at one picture, and staff who delete or replace it under their hands."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from unittest import mock

from django.db import connection
from django.test import TransactionTestCase

from backend.catalog.models import Product, ProductImage
from backend.catalog.pictures import rendition_queue
from backend.catalog.pictures.deletion import discard_files
from backend.catalog.pictures.rendition_queue import make_renditions
from backend.catalog.renditions import rendition_name
from tests.catalog.pictures.storage import StorageCase
from tests.catalog.pictures.test_rendition_queue import make_picture
from tests.concurrency.actors import PATIENCE


class RenditionRaces(StorageCase, TransactionTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.image = make_picture((100, 50))
        self.made = {rendition_name(str(self.image.file.name), 160, format) for format in ("webp", "jpeg")}

    def make(self) -> None:
        try:
            make_renditions(kind="product", picture_id=self.image.pk)
        finally:
            connection.close()

    def make_twice_at_once(self, meanwhile: Callable[[], None]) -> list[str]:
        """Have a second worker begin while the first is at it; return the names that were stored."""
        stored: list[str] = []
        at_it, second_is_over = threading.Event(), threading.Event()
        real = rendition_queue._store

        def store(name: str, data: bytes) -> None:
            stored.append(name)
            if not at_it.is_set():
                at_it.set()
                assert second_is_over.wait(PATIENCE)
            real(name, data)

        with mock.patch.object(rendition_queue, "_store", store), ThreadPoolExecutor(2) as pool:
            first = pool.submit(self.make)
            assert at_it.wait(PATIENCE)
            meanwhile()
            pool.submit(self.make).result(PATIENCE)
            second_is_over.set()
            first.result(PATIENCE)
        return stored

    def test_the_second_worker_leaves_it_to_the_first(self) -> None:
        stored = self.make_twice_at_once(lambda: None)
        assert len(stored) == len(set(stored)) == 2
        self.image.refresh_from_db()
        assert (self.image.renditions, self.image.renditions_attempts) == ([160], 0)
        assert self.files() == self.made | {self.image.file.name}

    def test_twin_without_the_lock_both_make_them(self) -> None:
        with mock.patch.object(rendition_queue, "try_rendition_lock", everybody_is_alone):
            stored = self.make_twice_at_once(lambda: None)
        assert len(stored) == 4

    def test_a_picture_deleted_meanwhile_leaves_nothing(self) -> None:
        def delete() -> None:
            Product.objects.all().delete()
            discard_files([str(self.image.file.name)])

        self.make_twice_at_once(delete)
        assert not ProductImage.objects.exists()
        assert self.files() == set()

    def test_twin_a_worker_that_does_not_look_again_leaves_files(self) -> None:
        def delete() -> None:
            Product.objects.all().delete()
            discard_files([str(self.image.file.name)])

        with mock.patch.object(rendition_queue, "discard_renditions"):
            self.make_twice_at_once(delete)
        assert self.files() == self.made

    def test_staff_do_not_wait_for_the_worker(self) -> None:
        def edit() -> None:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '1s'")
            ProductImage.objects.filter(pk=self.image.pk).update(alt="A cup")
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = 0")

        self.make_twice_at_once(edit)
        self.image.refresh_from_db()
        assert (self.image.alt, self.image.renditions) == ("A cup", [160])


@contextmanager
def everybody_is_alone(*arguments: Any) -> Iterator[bool]:
    yield True
