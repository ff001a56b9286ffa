"""Concurrent workers for one picture, and edits by staff during the work."""

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
from backend.catalog.renditions import format_rendition_name
from tests.catalog.pictures.storage import StorageCase
from tests.catalog.pictures.test_rendition_queue import make_picture
from tests.concurrency.actors import MAX_SECONDS


class RenditionRacesTest(StorageCase, TransactionTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.image = make_picture((100, 50))
        self.made = {
            format_rendition_name(str(self.image.file.name), 160, format) for format in ("webp", "jpeg")
        }

    def make(self) -> None:
        try:
            make_renditions(kind="product", picture_id=self.image.pk)
        finally:
            connection.close()

    def make_concurrently(self, meanwhile: Callable[[], None]) -> list[str]:
        """Run a second worker while the first one stores a file. Return the names that were stored."""
        stored: list[str] = []
        first_stores, second_is_done = threading.Event(), threading.Event()
        real = rendition_queue._store

        def store(name: str, data: bytes) -> None:
            stored.append(name)
            if not first_stores.is_set():
                first_stores.set()
                assert second_is_done.wait(MAX_SECONDS)
            real(name, data)

        with mock.patch.object(rendition_queue, "_store", store), ThreadPoolExecutor(2) as pool:
            first = pool.submit(self.make)
            assert first_stores.wait(MAX_SECONDS)
            meanwhile()
            pool.submit(self.make).result(MAX_SECONDS)
            second_is_done.set()
            first.result(MAX_SECONDS)
        return stored

    def test_second_worker_skips_a_locked_picture(self) -> None:
        stored = self.make_concurrently(lambda: None)
        assert len(stored) == len(set(stored)) == 2
        self.image.refresh_from_db()
        assert (self.image.renditions, self.image.renditions_attempts) == ([160], 0)
        assert self.files() == self.made | {self.image.file.name}

    def test_without_the_lock_both_workers_make_renditions(self) -> None:
        with mock.patch.object(rendition_queue, "try_rendition_lock", grant_every_lock):
            stored = self.make_concurrently(lambda: None)
        assert len(stored) == 4

    def test_picture_deleted_during_the_work_leaves_no_files(self) -> None:
        def delete() -> None:
            Product.objects.all().delete()
            discard_files([str(self.image.file.name)])

        self.make_concurrently(delete)
        assert not ProductImage.objects.exists()
        assert self.files() == set()

    def test_without_the_final_check_a_deleted_picture_leaves_files(self) -> None:
        def delete() -> None:
            Product.objects.all().delete()
            discard_files([str(self.image.file.name)])

        with mock.patch.object(rendition_queue, "discard_renditions"):
            self.make_concurrently(delete)
        assert self.files() == self.made

    def test_staff_do_not_wait_for_the_worker(self) -> None:
        def edit() -> None:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '1s'")
            ProductImage.objects.filter(pk=self.image.pk).update(alt="A cup")
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = 0")

        self.make_concurrently(edit)
        self.image.refresh_from_db()
        assert (self.image.alt, self.image.renditions) == ("A cup", [160])


@contextmanager
def grant_every_lock(*arguments: Any) -> Iterator[bool]:
    yield True
