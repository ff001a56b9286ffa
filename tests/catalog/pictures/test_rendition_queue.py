"""Renditions are made once, despite failures and concurrent changes of the picture."""

from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from unittest import mock

from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage
from django.test import TestCase
from django.utils import timezone

from backend.catalog.models import RENDITIONS_STALE_AFTER, Category, ProductImage
from backend.catalog.pictures import rendition_queue
from backend.catalog.pictures.deletion import discard_files
from backend.catalog.pictures.rendition_queue import enqueue_due_renditions, make_renditions
from backend.catalog.pictures.validation import accept_picture
from backend.catalog.services import update_category
from backend.core.media.storage import StorageUnavailable
from tests.catalog.factories import make_category, make_product
from tests.catalog.pictures.storage import StorageCase, open_stored
from tests.concurrency.actors import MAX_SECONDS
from tests.feeds.helpers import picture


def make_picture(size: tuple[int, int] = (500, 250), **fields: Any) -> ProductImage:
    """Create a product image without renditions."""
    file = accept_picture(picture(size=size), "cup")
    image = ProductImage(product=make_product(), sha256=file.sha256, **fields)
    image.file = file
    image.save()
    return image


class RenditionCase(StorageCase, TestCase):
    def make(self, image: ProductImage) -> ProductImage:
        make_renditions(kind="product", picture_id=image.pk)
        image.refresh_from_db()
        return image

    def state(self, image: ProductImage) -> tuple[list[int], bool, int]:
        image.refresh_from_db()
        return image.renditions, image.renditions_due_at is not None, image.renditions_attempts


class MakeTest(RenditionCase):
    def test_renditions_are_stored_and_recorded(self) -> None:
        image = make_picture()
        name = image.file.name
        assert self.state(image) == ([], True, 0)
        self.make(image)
        assert self.state(image) == ([160, 400, 800], False, 0)
        assert self.files() == {name} | {
            f"renditions/{name}.{width}.{format}" for width in (160, 400, 800) for format in ("webp", "jpeg")
        }
        for rendition in image.picture.renditions:
            for url, format in [(rendition.webp, "WEBP"), (rendition.jpeg, "JPEG")]:
                stored = open_stored(url)
                assert (stored.format, stored.size) == (format, (rendition.width, rendition.height))

    def test_existing_renditions_are_not_made_again(self) -> None:
        image = self.make(make_picture())
        with mock.patch.object(rendition_queue, "render") as render:
            self.make(image)
        render.assert_not_called()

    def test_renditions_of_a_category_image_are_made(self) -> None:
        category = make_category("Cups")
        update_category(category_id=category.pk, image=accept_picture(picture(size=(200, 100)), "cups"))
        # An image stored before the columns of its size existed.
        Category.objects.update(image_width=0, image_height=0)
        make_renditions(kind="category", picture_id=category.pk)
        category.refresh_from_db()
        assert category.renditions == [160, 400]
        assert category.picture is not None
        assert (category.picture.width, category.picture.height) == (200, 100)
        assert len(self.files()) == 5

    def test_deleted_picture_is_skipped(self) -> None:
        make_renditions(kind="product", picture_id=2**62)
        assert self.files() == set()

    def test_picture_deleted_during_rendering_leaves_no_renditions(self) -> None:
        image = make_picture()
        with self.meanwhile(lambda: (image.delete(), discard_files([image.file.name or ""]))):
            make_renditions(kind="product", picture_id=image.pk)
        assert self.files() == set()

    def test_picture_replaced_during_rendering_leaves_no_renditions(self) -> None:
        image = make_picture()
        old = image.file.name

        def replace() -> None:
            image.file = accept_picture(picture("green"), "other")
            image.reset_renditions()
            image.save()
            discard_files([old or ""])

        with self.meanwhile(replace):
            make_renditions(kind="product", picture_id=image.pk)
        assert self.files() == {image.file.name}
        assert self.state(image) == ([], True, 0)

    @contextmanager
    def meanwhile(self, happens: Any) -> Any:
        """Run an action after renditions are rendered and before they are stored."""
        real = rendition_queue.render

        def render(data: bytes) -> Any:
            rendered = real(data)
            happens()
            return rendered

        with mock.patch.object(rendition_queue, "render", render):
            yield

    def test_file_of_a_killed_worker_is_overwritten(self) -> None:
        image = make_picture()
        default_storage.save(f"renditions/{image.file.name}.160.webp", ContentFile(b"half of"))
        self.make(image)
        assert open_stored(image.picture.thumbnail(1)).size == (160, 80)
        assert len(self.files()) == 7


class FailureTest(RenditionCase):
    def test_undecodable_file_gets_no_renditions(self) -> None:
        image = make_picture()
        (self.media / str(image.file.name)).write_bytes(b"nonsense")
        with self.assertLogs("backend.catalog.pictures", "ERROR"):
            self.make(image)
        assert self.state(image) == ([], False, 0)
        assert image.picture.srcset().startswith(image.picture.url)

    def test_storage_failure_is_retried_with_backoff(self) -> None:
        image = make_picture()
        waits = []
        for failure in ("_open", "_save"):
            error = StorageUnavailable("The object storage fails.")
            with (
                mock.patch.object(FileSystemStorage, failure, side_effect=error),
                self.assertLogs("backend.catalog.pictures", "WARNING"),
            ):
                make_renditions(kind="product", picture_id=image.pk)
            image.refresh_from_db()
            assert image.renditions_due_at is not None
            waits.append(image.renditions_due_at - timezone.now())
        assert self.state(image)[2] == 2
        for wait, expected in zip(waits, (1, 2), strict=True):
            expected *= RENDITIONS_STALE_AFTER
            assert expected - timedelta(seconds=MAX_SECONDS) < wait <= expected
        ProductImage.objects.update(renditions_attempts=100)
        with mock.patch.object(FileSystemStorage, "_open", side_effect=OSError):
            make_renditions(kind="product", picture_id=image.pk)
        image.refresh_from_db()
        assert image.renditions_due_at - timezone.now() < rendition_queue.LAST_RETRY_AFTER
        self.make(image)
        assert self.state(image) == ([160, 400, 800], False, 0)

    def test_attempt_that_kills_the_worker_counts(self) -> None:
        image = make_picture()
        with (
            mock.patch.object(rendition_queue, "render", side_effect=SystemExit),
            self.assertRaises(SystemExit),
        ):
            self.make(image)
        assert self.state(image) == ([], True, 1)


class EnqueueTest(RenditionCase):
    def enqueued_ids(self) -> list[tuple[str, dict[str, Any]]]:
        with (
            mock.patch.object(rendition_queue, "enqueue") as enqueue,
            self.captureOnCommitCallbacks(execute=True),
        ):
            enqueue_due_renditions()
        return [call for calls in enqueue.call_args_list for call in calls.args[0]]

    def test_overdue_pictures_are_enqueued_once(self) -> None:
        due, waiting, made = make_picture(), make_picture(), self.make(make_picture())
        category = make_category("Cups")
        long_ago = timezone.now() - timedelta(days=1)
        ProductImage.objects.filter(pk=due.pk).update(renditions_due_at=long_ago)
        Category.objects.filter(pk=category.pk).update(renditions_due_at=long_ago)
        assert self.enqueued_ids() == [
            (rendition_queue.TASK, {"kind": "product", "picture_id": due.pk}),
            (rendition_queue.TASK, {"kind": "category", "picture_id": category.pk}),
        ]
        assert self.enqueued_ids() == []
        assert self.state(waiting)[1] and not self.state(made)[1]

    def test_number_enqueued_at_once_is_limited(self) -> None:
        for _ in range(3):
            make_picture(renditions_due_at=timezone.now())
        with mock.patch.object(rendition_queue, "MAX_ENQUEUED_AT_ONCE", 2):
            assert [len(self.enqueued_ids()) for _ in range(3)] == [2, 1, 0]
