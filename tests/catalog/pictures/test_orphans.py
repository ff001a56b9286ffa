"""Unused picture files are found and deleted, and used ones are kept."""

import io
import os
import time
from datetime import timedelta
from unittest import mock

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.test import TestCase

from backend.catalog.models import ProductImage
from backend.catalog.pictures import deletion
from backend.catalog.pictures.deletion import discard_files, find_orphans, remove_orphans
from backend.catalog.pictures.rendition_queue import make_renditions
from backend.catalog.pictures.validation import accept_picture
from backend.catalog.services import update_category
from backend.catalog.tasks import remove_orphaned_media
from backend.core.media.storage import StorageUnavailable
from tests.catalog.factories import make_category
from tests.catalog.pictures.storage import StorageCase
from tests.catalog.pictures.test_rendition_queue import make_picture
from tests.feeds.helpers import picture
from tests.support.object_storage import Moto


class OrphansCase(StorageCase, TestCase):
    def store(self, name: str, *, hours_ago: float = 25) -> str:
        default_storage.save(name, ContentFile(b"x"))
        self.age(name, hours_ago)
        return name

    def age(self, name: str, hours: float) -> None:
        moment = time.time() - hours * 3600
        os.utime(self.media / name, (moment, moment))

    def age_all(self) -> None:
        for name in self.files():
            self.age(name, 25)

    def command(self, *arguments: str) -> str:
        output = io.StringIO()
        call_command("remove_orphaned_media", *arguments, stdout=output)
        return output.getvalue()


class FindTest(OrphansCase):
    def test_used_files_are_kept(self) -> None:
        image = make_picture()
        make_renditions(kind="product", picture_id=image.pk)
        category = make_category("Cups")
        update_category(category_id=category.pk, image=accept_picture(picture(), "cups"))
        make_renditions(kind="category", picture_id=category.pk)
        self.age_all()
        needed = self.files()
        name = image.file.name
        orphans = {
            self.store("products/gone-0123456789ab.jpg"),
            self.store("categories/gone.png"),
            self.store("renditions/products/gone-0123456789ab.jpg.160.webp"),
            # A width that the picture does not have, and a name that is not a rendition's.
            self.store(f"renditions/{name}.1600.webp"),
            self.store(f"renditions/{name}.160.gif"),
            self.store("renditions/readme.txt"),
        }
        elsewhere = self.store("sample/other.jpg")
        found = find_orphans()
        assert set(found.orphans) == orphans
        assert found.used == len(needed)
        remove_orphans(found.orphans)
        assert self.files() == needed | {elsewhere}

    def test_expected_renditions_are_kept(self) -> None:
        image = make_picture()
        self.store(f"renditions/{image.file.name}.160.webp")
        assert find_orphans().orphans == []
        ProductImage.objects.update(renditions_due_at=None)
        assert find_orphans().orphans == [f"renditions/{image.file.name}.160.webp"]

    def test_files_within_the_grace_period_are_kept(self) -> None:
        self.store("products/new.jpg", hours_ago=23.9)
        old = self.store("products/old.jpg", hours_ago=24.1)
        assert find_orphans().orphans == [old]
        assert set(find_orphans(grace=timedelta(hours=1)).orphans) == {old, "products/new.jpg"}

    def test_orphan_that_became_used_is_not_deleted(self) -> None:
        image = make_picture()
        remove_orphans([image.file.name or "", self.store("products/old.jpg")])
        assert self.files() == {image.file.name}

    def test_orphans_of_every_batch_are_deleted(self) -> None:
        kept = make_picture()
        for number in range(5):
            self.store(f"products/{number}.jpg")
        with mock.patch.object(deletion, "_BATCH", 2):
            remove_orphans(find_orphans().orphans)
        assert self.files() == {kept.file.name}

    def test_query_count_of_a_batch_is_independent_of_its_size(self) -> None:
        for count in (1, 10):
            for number in range(count):
                self.store(f"products/{count}-{number}.jpg")
            with self.assertNumQueries(1):
                find_orphans()

    def test_empty_storage_has_no_orphans(self) -> None:
        assert find_orphans().orphans == []


class ObjectStorageTest(TestCase):
    def test_orphans_in_object_storage_are_deleted(self) -> None:
        server = Moto()
        self.addCleanup(server.remove)
        server.start()
        with server.as_media():
            assert find_orphans().orphans == []
            image = make_picture()
            make_renditions(kind="product", picture_id=image.pk)
            needed = set(server.objects())
            assert len(needed) == 7
            orphans = {"products/gone-0123456789ab.jpg", f"renditions/{image.file.name}.1600.webp"}
            for name in orphans:
                default_storage.save(name, ContentFile(b"x"))
            assert find_orphans().orphans == []
            # A negative grace period dates the scan one hour later.
            found = find_orphans(grace=-timedelta(hours=1))
            assert set(found.orphans) == orphans
            remove_orphans(found.orphans)
            assert set(server.objects()) == needed
            names = [str(image.file.name)]
            image.delete()
            discard_files(names)
            assert server.objects() == {}


class CommandTest(OrphansCase):
    def test_dry_run_lists_orphans_without_deleting(self) -> None:
        old = self.store("products/old.jpg")
        output = self.command("--dry-run")
        assert output.splitlines() == [old, "1 unused files, 0 used; nothing was deleted."]
        assert self.files() == {old}

    def test_command_deletes_orphans_older_than_given_hours(self) -> None:
        self.store("products/old.jpg", hours_ago=3)
        assert "0 unused files" in self.command()
        output = self.command("--older-than", "2")
        assert "1 unused files, 0 used; 1 deleted." in output
        assert self.files() == set()

    def test_storage_failure_is_reported(self) -> None:
        orphans = {self.store(f"products/{number}.jpg") for number in range(3)}
        fails = StorageUnavailable("The storage is away.")
        with mock.patch.object(default_storage, "delete", side_effect=fails):
            assert "3 unused files, 0 used; 0 deleted." in self.command()
        assert self.files() == orphans
        with (
            mock.patch.object(default_storage, "listdir", side_effect=fails),
            self.assertRaisesMessage(CommandError, "The storage is away. Nothing was deleted."),
        ):
            self.command()

    def test_grace_period_below_one_hour_is_refused(self) -> None:
        self.store("products/old.jpg", hours_ago=1.1)
        with self.assertRaisesMessage(CommandError, "--older-than must be at least 1"):
            self.command("--older-than", "0")
        assert self.files()
        self.command("--older-than", "1")
        assert not self.files()

    def test_suspiciously_many_orphans_are_kept_unless_forced(self) -> None:
        files = {self.store(f"products/{number}.jpg") for number in range(4)}
        with mock.patch.object(deletion, "MAX_ORPHANS", 3):
            with self.assertRaisesMessage(CommandError, "another shop may use the same storage"):
                self.command()
            with self.assertLogs("backend.catalog", "ERROR"):
                remove_orphaned_media()
            assert self.files() == files
            assert "deleted" in self.command("--force")
        assert self.files() == set()

    def test_beat_deletes_orphans_up_to_the_limit(self) -> None:
        for number in range(3):
            self.store(f"products/{number}.jpg")
        with mock.patch.object(deletion, "MAX_ORPHANS", 3):
            remove_orphaned_media()
        assert self.files() == set()
