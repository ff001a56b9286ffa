from argparse import ArgumentParser
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from backend.catalog.models import Product, ProductImage
from backend.feeds.exporter import FORMATS, PictureCopier, export_feed, open_for_writing


class Command(BaseCommand):
    help = (
        "Export all products as a feed of Google Merchant Center (tsv, csv, xml) or Yandex Market (yml). "
        "import_products accepts the same formats."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--format", choices=FORMATS, default="tsv", help="default: %(default)s")
        parser.add_argument(
            "--output", type=Path, help="file, gzipped if its name ends with .gz; default: stdout"
        )
        parser.add_argument(
            "--with-pictures", action="store_true", help="copy the pictures to the folder of --output"
        )
        parser.add_argument(
            "--link-prefix", default="", metavar="URL", help="URL before the slug in product links"
        )
        parser.add_argument(
            "--image-prefix",
            default="",
            metavar="URL",
            help="URL before the storage name in picture links",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        output: Path | None = options["output"]
        copier = None
        if options["with_pictures"]:
            if output is None or options["image_prefix"]:
                raise CommandError(
                    "--with-pictures requires --output and cannot be combined with --image-prefix"
                )
            copier = PictureCopier(output.parent)

        def link_with_prefix(image: ProductImage) -> str:
            return f"{options['image_prefix']}{image.file.name}"

        pieces = export_feed(
            Product.objects.all(),
            options["format"],
            link_prefix=options["link_prefix"],
            image_link=copier.copy if copier else link_with_prefix,
        )
        if output is None:
            for piece in pieces:
                self.stdout.write(piece, ending="")
            return
        try:
            with open_for_writing(output) as file:
                for piece in _show_progress(pieces):
                    file.write(piece)
        except OSError as error:
            raise CommandError(f"{output} cannot be written: {error.strerror or error}") from error
        for problem in copier.problems if copier else ():
            self.stdout.write(f"picture not copied: {problem}")


def _show_progress(pieces: Iterable[str]) -> Iterable[str]:
    bar: Iterable[str] = tqdm(pieces, unit=" products", total=Product.objects.count(), disable=None)
    return bar
