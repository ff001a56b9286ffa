from argparse import ArgumentParser
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from backend.catalog.feed.exporting import FORMATS, PictureCopies, export_feed, feed_file
from backend.catalog.models import Product, ProductImage


class Command(BaseCommand):
    help = "Export all products as a Google Merchant Center feed, which import_products takes back."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--format", choices=FORMATS, default="tsv", help="default: %(default)s")
        parser.add_argument("--output", type=Path, help="a file, gzipped when it ends with .gz; else stdout")
        parser.add_argument(
            "--with-pictures", action="store_true", help="copy the pictures into the folder of --output"
        )
        parser.add_argument(
            "--link-prefix", default="", metavar="URL", help="what stands before the slug in a product's link"
        )
        parser.add_argument(
            "--image-prefix",
            default="",
            metavar="URL",
            help="what stands before the name in a picture's link",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        output: Path | None = options["output"]
        copies = None
        if options["with_pictures"]:
            if output is None or options["image_prefix"]:
                raise CommandError("--with-pictures needs --output, and goes without --image-prefix")
            copies = PictureCopies(output.parent)

        def prefixed(image: ProductImage) -> str:
            return f"{options['image_prefix']}{image.file.name}"

        pieces = export_feed(
            Product.objects.all(),
            options["format"],
            link_prefix=options["link_prefix"],
            image_link=copies or prefixed,
        )
        if output is None:
            for piece in pieces:
                self.stdout.write(piece, ending="")
            return
        try:
            with feed_file(output) as file:
                for piece in _with_progress(pieces):
                    file.write(piece)
        except OSError as error:
            raise CommandError(f"{output} cannot be written: {error.strerror or error}") from error
        for problem in copies.problems if copies else ():
            self.stdout.write(f"picture not copied: {problem}")


def _with_progress(pieces: Iterable[str]) -> Iterable[str]:
    bar: Iterable[str] = tqdm(pieces, unit=" products", total=Product.objects.count(), disable=None)
    return bar
