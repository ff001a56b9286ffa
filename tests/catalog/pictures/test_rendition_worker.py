"""A real worker makes renditions: immediately, after mail, and if the broker loses the task."""

import time
from unittest import mock

from celery import current_app
from django.db import transaction
from django.test import TransactionTestCase
from django.utils import timezone
from redis import Redis

from backend.catalog.models import ProductImage
from backend.catalog.pictures.deletion import discard_files
from backend.catalog.pictures.rendition_queue import queue_renditions
from backend.core import redis
from backend.core.redis import get_redis_client
from backend.notifications.services import enqueue_email
from tests.accounts.cases import clear_redis
from tests.catalog.admin.pages import AdminCase, picture
from tests.catalog.factories import make_product
from tests.catalog.pictures.storage import StorageCase
from tests.catalog.pictures.test_rendition_queue import make_picture
from tests.faults.test_services_down import MAX_SECONDS, dead_address
from tests.support.worker import MailServer, Worker, wait_until


class QueueTest(TransactionTestCase):
    """Tests with a real worker, which uses the same media folder."""

    def setUp(self) -> None:
        clear_redis()
        self.mail_server = MailServer()
        self.worker = Worker(self.mail_server)
        self.addCleanup(self.worker.stop)
        self.images = [make_picture((100, 50)) for _ in range(3)]
        self.addCleanup(self.discard)

    def discard(self) -> None:
        names = [str(image.file.name) for image in self.images]
        ProductImage.objects.all().delete()
        discard_files(names)

    def queue(self) -> None:
        with transaction.atomic():
            queue_renditions("product", [image.pk for image in self.images])

    def wait_until_made(self) -> None:
        wait_until(
            lambda: not ProductImage.objects.filter(renditions_due_at__isnull=False).exists(),
            "The making of the renditions",
        )
        assert set(ProductImage.objects.values_list("renditions__0", flat=True)) == {160}

    def test_mail_is_sent_before_renditions_are_made(self) -> None:
        self.mail_server.start()
        self.addCleanup(self.mail_server.stop)
        self.queue()
        with transaction.atomic():
            enqueue_email(
                task="accounts.send_already_registered", recipient="vera@example.com", language="en"
            )
        self.worker.start()
        self.mail_server.wait_for_mail("vera@example.com")
        self.wait_until_made()
        said = self.worker.output()
        assert said.index("accounts.send_already_registered[") < said.index("catalog.make_renditions[")

    def test_beat_enqueues_a_task_that_the_broker_lost(self) -> None:
        self.queue()
        clear_redis()
        self.worker.start()
        for _ in range(2):
            ProductImage.objects.filter(renditions_due_at__isnull=False).update(
                renditions_due_at=timezone.now()
            )
            current_app.send_task("catalog.enqueue_due_renditions")
            self.wait_until_made()
        made = self.worker.output().count("catalog.make_renditions[")
        assert made >= 3


class BrokerDownTest(StorageCase, AdminCase):
    def test_upload_succeeds_while_the_broker_is_down(self) -> None:
        self.addCleanup(setattr, redis, "_skip_until", 0.0)
        product = make_product()
        path = f"/admin/catalog/product/{product.pk}/change/"
        with dead_address() as address:
            gone = Redis.from_url(f"redis://{address.host}:{address.port}/0", socket_timeout=0.8)
            for way in address.ways():
                with self.subTest(way):
                    redis._skip_until = 0.0
                    page = self.form(path, "product_form")
                    count = int(page["images-INITIAL_FORMS"])
                    page |= {
                        "images-TOTAL_FORMS": str(count + 1),
                        f"images-{count}-file": picture(size=(9 + count, 9)),
                        f"images-{count}-position": "0",
                        f"images-{count}-product": str(product.pk),
                    }
                    began = time.monotonic()
                    with (
                        mock.patch.object(get_redis_client().connection_pool, "get_connection") as connection,
                        self.assertLogs("backend.core.broker", "WARNING"),
                        self.captureOnCommitCallbacks(execute=True),
                    ):
                        connection.side_effect = gone.connection_pool.get_connection
                        self.assert_saved(self.client.post(path, page))
                    assert time.monotonic() - began < MAX_SECONDS
        assert ProductImage.objects.filter(renditions_due_at__isnull=False).count() == 2
