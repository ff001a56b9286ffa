"""Write categories and products, and rebuild derived data."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from itertools import chain, count
from typing import Any, Literal

from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from slugify import slugify

from backend.catalog.locks import lock_imports, lock_listing, lock_products, lock_tree
from backend.catalog.models import Brand, Category, ListingEntry, Product, RenditionState
from backend.catalog.pictures.deletion import discard_files_on_commit
from backend.catalog.pictures.rendition_queue import queue_renditions
from backend.catalog.pictures.validation import PictureFile
from backend.catalog.selectors.integrity import WRONG_CHARACTERISTICS, WRONG_ENTRIES
from backend.core.db import atomic_or_conflict
from backend.core.errors import Invalid, NotFound, TooLong
from backend.core.response_cache import mark_catalogue_changed
from backend.core.text import clean_line

Position = Literal["first-child", "last-child", "left", "right"]

MAX_CATEGORY_NAME = 200


class CategoryNameTaken(Invalid):
    """The parent already has a category with this name."""


class SlugTaken(Invalid):
    """Another category already has this slug."""


class CategoryBelowItself(Invalid):
    """The target of a move is in the category's own subtree."""


class CategoryNotEmpty(Invalid):
    """The category has subcategories or products, so it cannot be deleted."""


@atomic_or_conflict
def create_category(*, name: str, parent_id: int | None = None, slug: str = "") -> Category:
    """Create a category as the last child of its parent and return it.

    Args:
        name: unique among its siblings.
        parent_id: None creates a root.
        slug: unique. If empty, it is generated from the name, with a number if necessary.

    Raises:
        NotFound: the parent does not exist.
        CategoryNameTaken, SlugTaken: another category has the name or slug.
        Invalid, TooLong: the name or slug is malformed or too long.
    """
    lock_tree()
    parent = _require_category(parent_id, field="parent_id") if parent_id is not None else None
    name = _check_name(name)
    _require_free_name(name, parent_id)
    category = Category(name=name, slug=_check_slug(slug) if slug else _find_free_category_slug(name))
    category.insert_at(parent, position="last-child", save=True)
    mark_catalogue_changed()
    return category


# Not retried, because an image that has been stored would be stored again.
@transaction.atomic
def update_category(
    *,
    category_id: int,
    name: str | None = None,
    slug: str | None = None,
    image: PictureFile | Literal[""] | None = None,
    image_alt: str | None = None,
    seo_title: str | None = None,
    seo_description: str | None = None,
) -> Category:
    """Change the name, slug, image or texts of a category and return it.

    A transaction that also moves the category must move it first.

    Args:
        category_id: the category to change.
        name, slug: see `create_category`. None keeps the value; an empty slug is generated from the name.
        image: a new picture; "" removes the picture, None keeps it.
        image_alt: alternative text; None keeps it.
        seo_title, seo_description: texts for search engines; None keeps them.

    Raises:
        NotFound: the category does not exist.
        CategoryNameTaken, SlugTaken: another category has the name or slug.
        Invalid, TooLong: the name, slug or a text is malformed or too long.
    """
    lock_tree()
    category = _require_category(category_id, field="category_id")
    changed = []
    if name is not None:
        category.name = _check_name(name)
        _require_free_name(category.name, category.parent_id, except_id=category.pk)
        changed.append("name")
    if slug is not None and slug != category.slug:
        category.slug = _check_slug(slug) if slug else _find_free_category_slug(category.name)
        changed.append("slug")
    if image is not None:
        discard_files_on_commit([category.image.name or ""])
        category.set_image(image or None)
        changed += ["image", "image_width", "image_height", *RenditionState.COLUMNS]
        if image:
            queue_renditions("category", [category.pk])
    if image_alt is not None:
        category.image_alt = _check_text(image_alt, "image_alt")
        changed.append("image_alt")
    if seo_title is not None:
        category.seo_title = _check_text(seo_title, "seo_title")
        changed.append("seo_title")
    if seo_description is not None:
        category.seo_description = _check_text(seo_description, "seo_description")
        changed.append("seo_description")
    if changed:
        category.save(update_fields=changed)
        mark_catalogue_changed()
    return category


@atomic_or_conflict
def move_category(*, category_id: int, target_id: int | None, position: Position = "last-child") -> Category:
    """Move a category with its subtree and return it. Triggers update the listing index.

    The transaction must not write products afterwards; see `backend.catalog.locks.lock_listing`.

    Args:
        category_id: the category to move.
        target_id: the new parent or sibling, depending on the position; None makes it the last root.
        position: relative to the target; "left" and "right" place it beside the target.

    Raises:
        NotFound: the category or the target does not exist.
        CategoryBelowItself: the target is the category itself or in its subtree.
        CategoryNameTaken: the new parent already has a category with this name.
    """
    lock_tree()
    category = _require_category(category_id, field="category_id")
    if target_id is None:
        last_root = Category.objects.root_nodes().exclude(pk=category.pk).last()
        if last_root is None:
            return category
        target, position = last_root, "right"
    else:
        target = _require_category(target_id, field="target_id")
    if target.is_descendant_of(category, include_self=True):
        raise CategoryBelowItself(
            _("“%(category)s” cannot be moved into or beside “%(target)s”, which is in its own subtree.")
            if target != category
            else _("“%(category)s” cannot be moved into or beside itself."),
            field="target_id",
            params={"category": category, "target": target},
        )
    parent_id = target.pk if position in ("first-child", "last-child") else target.parent_id
    _require_free_name(category.name, parent_id, except_id=category.pk)
    Category.objects.move_node(category, target, position)
    mark_catalogue_changed()
    return category


@atomic_or_conflict
def delete_category(*, category_id: int) -> None:
    """Delete an empty category.

    Raises:
        NotFound: the category does not exist.
        CategoryNotEmpty: it has subcategories or products, published or not.
    """
    lock_tree()
    lock_listing()
    category = _require_category(category_id, field="category_id")
    children, products = category.children.count(), category.products.count()
    if children or products:
        raise CategoryNotEmpty(
            _(
                "“%(category)s” cannot be deleted: it has %(children)s subcategories "
                "and %(products)s products."
            ),
            field="category_id",
            params={"category": category, "children": children, "products": products},
        )
    discard_files_on_commit([category.image.name or ""])
    category.delete()
    mark_catalogue_changed()


@atomic_or_conflict
def rebuild_category_tree() -> None:
    """Recompute the tree columns from the parents. Siblings keep their order; cycles are not changed."""
    lock_tree()
    Category.objects.rebuild()
    mark_catalogue_changed()


@atomic_or_conflict
def rebuild_listing() -> None:
    """Replace the listing entries of every product that has a wrong entry."""
    lock_tree()
    lock_listing()
    with connection.cursor() as cursor:
        # By name, because a later release may add columns.
        columns = ", ".join(str(field.column) for field in ListingEntry._meta.concrete_fields)
        cursor.execute("CREATE TEMPORARY TABLE relisted ON COMMIT DROP AS " + WRONG_ENTRIES)
        cursor.execute(
            "DELETE FROM catalog_listingentry WHERE product_id IN (SELECT product_id FROM relisted)"
        )
        cursor.execute(
            f"INSERT INTO catalog_listingentry ({columns}) SELECT {columns} FROM catalog_expected_listing()"  # noqa: S608
            " WHERE product_id IN (SELECT product_id FROM relisted)"
        )
    mark_catalogue_changed()


@atomic_or_conflict
def rebuild_characteristics() -> None:
    """Recompute the characteristics of every product that differ from its characteristic values."""
    with connection.cursor() as cursor:
        cursor.execute(WRONG_CHARACTERISTICS)
        products = sorted(lock_products([row[0] for row in cursor.fetchall()]))
        cursor.execute("SELECT catalog_show_characteristics(%s)", [products])
    mark_catalogue_changed()


@atomic_or_conflict
def publish_products(*, products: "QuerySet[Product]", published: bool) -> int:
    """Publish or unpublish products, and return how many changed."""
    affected = products.exclude(is_published=published).values_list("pk", flat=True)
    locked = Product.objects.filter(pk__in=lock_products(affected.order_by()))
    mark_catalogue_changed()
    return locked.update(is_published=published, updated_at=timezone.now())


@dataclass(frozen=True, slots=True)
class NewProduct:
    """A product to create if its SKU does not exist yet."""

    sku: str
    name: str
    price: Decimal
    stock: int


@atomic_or_conflict
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
            slug = find_free_product_slug(product.name, product.sku, is_slug_taken)
            used_slugs.add(slug)
            created.append(
                Product(
                    sku=product.sku, slug=slug, name=product.name, price=product.price, stock=product.stock
                )
            )
    if created:
        mark_catalogue_changed()
    return len(Product.objects.bulk_create(created))


@lru_cache(maxsize=2 * 1024)
def suggest_product_slugs(name: str, sku: str) -> tuple[str, str]:
    """Return two slugs in Latin letters: one from the name, and one from the name and the SKU."""
    base = slugify(name, max_length=180)
    suffix = slugify(sku)
    return base or suffix or "product", f"{base}-{suffix}".strip("-") or "product"


def find_free_product_slug(name: str, sku: str = "", is_taken: Callable[[str], bool] | None = None) -> str:
    """Return an unused slug for a product, with a number if necessary.

    Args:
        name, sku: of the product.
        is_taken: returns whether a slug is used; queries the database by default.
    """
    is_taken = is_taken or (lambda slug: Product.objects.filter(slug=slug).exists())
    suggested = suggest_product_slugs(name, sku)
    numbered = (f"{suggested[-1]}-{number}" for number in count(2))
    return next(slug for slug in chain(suggested, numbered) if not is_taken(slug))


def find_free_brand_slugs(names: Sequence[str]) -> list[str]:
    """Return different unused slugs for new brands, with numbers if necessary.

    Takes one query, and one more for each slug that needs a number.
    """
    suggested = [_suggest_slug(name, "brand") for name in names]
    used = set(Brand.objects.filter(slug__in=suggested).values_list("slug", flat=True))
    slugs = []
    for slug in suggested:
        free = _find_free_slug(Brand, slug, used) if slug in used else slug
        used.add(free)
        slugs.append(free)
    return slugs


def _find_free_category_slug(name: str) -> str:
    return _find_free_slug(Category, _suggest_slug(name, "category"))


def _suggest_slug(name: str, default: str) -> str:
    return slugify(name, max_length=190) or default


def _find_free_slug(model: type[Brand | Category], base: str, used: Collection[str] = ()) -> str:
    """Return the base, or the base with the first number that is free and not used."""
    taken = set(model.objects.filter(slug__startswith=base).values_list("slug", flat=True)).union(used)
    slug, number = base, 1
    while slug in taken:
        number += 1
        slug = f"{base}-{number}"
    return slug


def _require_category(category_id: int, *, field: str) -> Category:
    category: Category | None = Category.objects.filter(pk=category_id).first()
    if category is None:
        raise NotFound(
            _("Category %(category_id)s does not exist."), field=field, params={"category_id": category_id}
        )
    return category


def _check_name(name: str) -> str:
    if "\0" in name:
        raise Invalid(_("The name of a category must not contain null characters."), field="name")
    name = clean_line(name)
    if not name:
        raise Invalid(_("The name of a category must not be empty."), field="name")
    if len(name) > MAX_CATEGORY_NAME:
        raise TooLong(
            _("The name of a category must have at most %(maximum)s characters, not %(length)s."),
            field="name",
            params={"maximum": MAX_CATEGORY_NAME, "length": len(name)},
        )
    return name


def _require_free_name(name: str, parent_id: int | None, except_id: int | None = None) -> None:
    if Category.objects.filter(parent_id=parent_id, name=name).exclude(pk=except_id).exists():
        raise CategoryNameTaken(
            _("The parent already has a category “%(name)s”."), field="name", params={"name": name}
        )


def _check_text(text: str, field: str) -> str:
    """Return the stored form of a text of a category."""
    column: Any = Category._meta.get_field(field)
    if "\0" in text:
        raise Invalid(
            _("The %(field)s must not contain null characters."),
            field=field,
            params={"field": column.verbose_name},
        )
    text = clean_line(text)
    if len(text) > column.max_length:
        raise TooLong(
            _("The %(field)s must have at most %(maximum)s characters, not %(length)s."),
            field=field,
            params={"field": column.verbose_name, "maximum": column.max_length, "length": len(text)},
        )
    return text


def _check_slug(slug: str) -> str:
    try:
        validate_slug(slug)
    except ValidationError as error:
        raise Invalid(
            _("A slug must consist of Latin letters, digits, hyphens and underscores."), field="slug"
        ) from error
    if len(slug) > MAX_CATEGORY_NAME:
        raise TooLong(
            _("A slug must have at most %(maximum)s characters, not %(length)s."),
            field="slug",
            params={"maximum": MAX_CATEGORY_NAME, "length": len(slug)},
        )
    if Category.objects.filter(slug=slug).exists():
        raise SlugTaken(_("Another category has the slug “%(slug)s”."), field="slug", params={"slug": slug})
    return slug
