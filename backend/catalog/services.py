"""What changes the catalogue. Products are plain rows; the category tree needs its lock."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from itertools import chain, count
from typing import Literal

from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone
from slugify import slugify

from backend.catalog.locks import lock_imports, lock_listing, lock_products, lock_tree
from backend.catalog.models import Category, HasRenditions, Product
from backend.catalog.pictures.checking import PictureFile
from backend.catalog.pictures.discarding import discard_files_on_commit
from backend.catalog.pictures.making import queue_renditions
from backend.catalog.selectors.integrity import WRONG_CHARACTERISTICS, WRONG_ENTRIES
from backend.core.errors import Invalid, NotFound, TooLong

Position = Literal["first-child", "last-child", "left", "right"]

MAX_CATEGORY_NAME = 200
MAX_ALT = 255


class CategoryNameTaken(Invalid):
    """Two categories with one parent cannot have the same name."""


class SlugTaken(Invalid):
    """A slug is the address of one thing alone."""


class CategoryBelowItself(Invalid):
    """A category cannot be moved into its own subtree."""


class CategoryNotEmpty(Invalid):
    """A category that has subcategories or products cannot be deleted."""


@transaction.atomic
def create_category(*, name: str, parent_id: int | None = None, slug: str = "") -> Category:
    """Add a category as the last one below its parent and return it.

    Args:
        name: unique among its siblings.
        parent_id: the category to put it in; None makes a root.
        slug: unique; made from the name, with a number where that is taken, when empty.

    Raises:
        NotFound: there is no such parent.
        CategoryNameTaken, SlugTaken: another category has it.
        Invalid, TooLong: the name or the slug is not fit to be one.
    """
    lock_tree()
    parent = _get_category(parent_id, field="parent_id") if parent_id is not None else None
    name = _check_name(name)
    _require_free_name(name, parent_id)
    category = Category(name=name, slug=_check_slug(slug) if slug else _free_category_slug(name))
    category.insert_at(parent, position="last-child", save=True)
    return category


@transaction.atomic
def update_category(
    *,
    category_id: int,
    name: str | None = None,
    slug: str | None = None,
    image: PictureFile | Literal[""] | None = None,
    image_alt: str | None = None,
) -> Category:
    """Change what is said of a category, not where it stands, and return it.

    A transaction that also moves the category moves it first.

    Args:
        category_id: the category.
        name, slug: as for `create_category`; None leaves them, an empty slug is made from the name.
        image: a new picture; "" takes the picture away, None leaves it.
        image_alt: what is seen in the picture; None leaves it.

    Raises:
        NotFound: there is no such category.
        CategoryNameTaken, SlugTaken: another category has it.
        Invalid, TooLong: the name, the slug or the alternative text is not fit to be one.
    """
    lock_tree()
    category = _get_category(category_id, field="category_id")
    changed = []
    if name is not None:
        category.name = _check_name(name)
        _require_free_name(category.name, category.parent_id, but=category.pk)
        changed.append("name")
    if slug is not None and slug != category.slug:
        category.slug = _check_slug(slug) if slug else _free_category_slug(category.name)
        changed.append("slug")
    if image is not None:
        discard_files_on_commit([category.image.name or ""])
        category.change_picture(image or None)
        changed += ["image", "image_width", "image_height", *HasRenditions.COLUMNS]
        if image:
            queue_renditions("category", [category.pk])
    if image_alt is not None:
        category.image_alt = _check_alt(image_alt)
        changed.append("image_alt")
    if changed:
        category.save(update_fields=changed)
    return category


@transaction.atomic
def move_category(*, category_id: int, target_id: int | None, position: Position = "last-child") -> Category:
    """Move a category with everything below it and return it; its products are relisted with it.

    The transaction writes no product after it: see `backend.catalog.locks.lock_listing`.

    Args:
        category_id: the category to move.
        target_id: the category in which, or beside which, it is put; None makes it the last root.
        position: where it is put in the target, or on which side of it.

    Raises:
        NotFound: one of the two does not exist.
        CategoryBelowItself: the target is the category itself or below it.
        CategoryNameTaken: there is a category with its name in the new place.
    """
    lock_tree()
    category = _get_category(category_id, field="category_id")
    if target_id is None:
        last_root = Category.objects.root_nodes().exclude(pk=category.pk).last()
        if last_root is None:
            return category
        target, position = last_root, "right"
    else:
        target = _get_category(target_id, field="target_id")
    if target.is_descendant_of(category, include_self=True):
        raise CategoryBelowItself(
            f"“{category}” cannot be moved into or beside “{target}”: that is in its own subtree."
            if target != category
            else f"“{category}” cannot be moved into or beside itself.",
            field="target_id",
        )
    parent_id = target.pk if position in ("first-child", "last-child") else target.parent_id
    _require_free_name(category.name, parent_id, but=category.pk)
    Category.objects.move_node(category, target, position)
    return category


@transaction.atomic
def delete_category(*, category_id: int) -> None:
    """Delete a category that has nothing in it.

    Raises:
        NotFound: there is no such category.
        CategoryNotEmpty: it has subcategories, or products, published or not.
    """
    lock_tree()
    lock_listing()
    category = _get_category(category_id, field="category_id")
    children, products = category.children.count(), category.products.count()
    if children or products:
        raise CategoryNotEmpty(
            f"“{category}” has {children} subcategories and {products} products: "
            "a category must be empty to be deleted.",
            field="category_id",
        )
    discard_files_on_commit([category.image.name or ""])
    category.delete()


@transaction.atomic
def rebuild_category_tree() -> None:
    """Number the tree anew from the parents; siblings keep their order. Cycles stay as they are."""
    lock_tree()
    Category.objects.rebuild()


@transaction.atomic
def rebuild_listing() -> None:
    """Write the entries of every product anew whose entries are not what the tree says."""
    lock_tree()
    lock_listing()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE relisted ON COMMIT DROP AS " + WRONG_ENTRIES)
        cursor.execute(
            "DELETE FROM catalog_listingentry WHERE product_id IN (SELECT product_id FROM relisted)"
        )
        cursor.execute(
            "INSERT INTO catalog_listingentry"
            " (ancestor_id, product_id, price, name_key, created_at, popularity, in_stock)"
            " SELECT * FROM catalog_expected_listing() WHERE product_id IN (SELECT product_id FROM relisted)"
        )


@transaction.atomic
def rebuild_characteristics() -> None:
    """Write the characteristics anew of every product that shows others than its values make."""
    with connection.cursor() as cursor:
        cursor.execute(WRONG_CHARACTERISTICS)
        products = sorted(lock_products([row[0] for row in cursor.fetchall()]))
        cursor.execute("SELECT catalog_show_characteristics(%s)", [products])


@transaction.atomic
def publish_products(*, products: "QuerySet[Product]", published: bool) -> int:
    """Show products in the shop, or hide them, and return how many that changed."""
    wanted = products.exclude(is_published=published).values_list("pk", flat=True)
    locked = Product.objects.filter(pk__in=lock_products(wanted.order_by()))
    return locked.update(is_published=published, updated_at=timezone.now())


@dataclass(frozen=True, slots=True)
class NewProduct:
    """A product to create if its SKU does not exist yet."""

    sku: str
    name: str
    price: Decimal
    stock: int


@transaction.atomic
def create_missing_products(products: Sequence[NewProduct]) -> int:
    """Create the products whose SKUs do not exist yet, each with a free slug, and return their number.

    Existing products stay as they are.

    Args:
        products: with distinct SKUs.
    """
    # Serializes imports: two with the same new SKU would violate its unique constraint.
    lock_imports()
    skus = Product.objects.filter(sku__in=[product.sku for product in products])
    existing = set(skus.values_list("sku", flat=True))
    used_slugs: set[str] = set()

    def is_slug_taken(slug: str) -> bool:
        return slug in used_slugs or Product.objects.filter(slug=slug).exists()

    created = []
    for product in products:
        if product.sku not in existing:
            slug = free_product_slug(product.name, product.sku, is_slug_taken)
            used_slugs.add(slug)
            created.append(
                Product(
                    sku=product.sku, slug=slug, name=product.name, price=product.price, stock=product.stock
                )
            )
    return len(Product.objects.bulk_create(created))


@lru_cache(maxsize=2 * 1024)
def suggest_product_slugs(name: str, sku: str) -> tuple[str, str]:
    """Return the slugs that suit a product, in Latin letters: of its name, and of name and SKU."""
    base = slugify(name, max_length=180)
    suffix = slugify(sku)
    return base or suffix or "product", f"{base}-{suffix}".strip("-") or "product"


def free_product_slug(name: str, sku: str = "", taken: Callable[[str], bool] | None = None) -> str:
    """Return the first slug that suits a product and that no product has, with a number if need be.

    Args:
        name, sku: the product's.
        taken: tells whether a product has a slug; asks the database by default.
    """
    taken = taken or (lambda slug: Product.objects.filter(slug=slug).exists())
    suggested = suggest_product_slugs(name, sku)
    numbered = (f"{suggested[-1]}-{number}" for number in count(2))
    return next(slug for slug in chain(suggested, numbered) if not taken(slug))


def _free_category_slug(name: str) -> str:
    base = slugify(name, max_length=190) or "category"
    taken = set(Category.objects.filter(slug__startswith=base).values_list("slug", flat=True))
    slug, number = base, 1
    while slug in taken:
        number += 1
        slug = f"{base}-{number}"
    return slug


def _get_category(category_id: int, *, field: str) -> Category:
    category: Category | None = Category.objects.filter(pk=category_id).first()
    if category is None:
        raise NotFound(f"There is no category {category_id}.", field=field)
    return category


def _check_name(name: str) -> str:
    name = name.strip()
    if not name or "\0" in name:
        raise Invalid("A category needs a name, without null characters.", field="name")
    if len(name) > MAX_CATEGORY_NAME:
        raise TooLong(
            f"The name of a category has at most {MAX_CATEGORY_NAME} characters, not {len(name)}.",
            field="name",
        )
    return name


def _require_free_name(name: str, parent_id: int | None, but: int | None = None) -> None:
    if Category.objects.filter(parent_id=parent_id, name=name).exclude(pk=but).exists():
        raise CategoryNameTaken(f"There is a category “{name}” beside it.", field="name")


def _check_alt(alt: str) -> str:
    if "\0" in alt:
        raise Invalid("A text has no null characters.", field="image_alt")
    if len(alt) > MAX_ALT:
        raise TooLong(
            f"An alternative text has at most {MAX_ALT} characters, not {len(alt)}.", field="image_alt"
        )
    return alt.strip()


def _check_slug(slug: str) -> str:
    try:
        validate_slug(slug)
    except ValidationError as error:
        raise Invalid("A slug has Latin letters, digits, hyphens and underscores.", field="slug") from error
    if len(slug) > MAX_CATEGORY_NAME:
        raise TooLong(f"A slug has at most {MAX_CATEGORY_NAME} characters, not {len(slug)}.", field="slug")
    if Category.objects.filter(slug=slug).exists():
        raise SlugTaken(f"There is a category with the slug “{slug}”.", field="slug")
    return slug
