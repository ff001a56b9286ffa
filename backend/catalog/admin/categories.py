"""Admin of the category tree, with drag and drop."""

from typing import Any, cast, get_args

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected
from django.contrib.postgres.aggregates import StringAgg
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy
from mptt.admin import DraggableMPTTAdmin

from backend.catalog.admin.fields import (
    SEARCH_ENGINES,
    CategoryChoiceAdmin,
    PictureField,
    render_preview,
    require_storage_for,
)
from backend.catalog.locks import lock_tree
from backend.catalog.models import Category, ListingEntry
from backend.catalog.services import (
    Position,
    create_category,
    delete_category,
    move_category,
    update_category,
)
from backend.core.admin import CompactProtectedAdmin, PartialUpdateForm, ServiceErrorAdmin
from backend.core.errors import ShopError
from backend.core.identifiers import parse_id

_TEXTS = ("image_alt", "seo_title", "seo_description")


class CategoryForm(PartialUpdateForm):
    slug = forms.SlugField(
        label=_("Slug"),
        max_length=200,
        required=False,
        help_text=_("If empty, it is generated from the name."),
    )
    image = PictureField(label=_("Image"), required=False)

    class Meta:
        model = Category
        fields = ["name", "slug", "parent", "image", "image_alt", "seo_title", "seo_description"]

    def clean_image(self) -> Any:
        require_storage_for([self.cleaned_data["image"]])
        return self.cleaned_data["image"]

    def clean(self) -> dict[str, Any]:
        # Held until the end of the request's transaction, so that validated values stay valid until saved.
        lock_tree()
        cleaned = super().clean()
        parent = cleaned.get("parent")
        if parent and self.instance.pk and parent.is_descendant_of(self.instance, include_self=True):
            self.add_error("parent", _("A category cannot be moved into itself or its own subtree."))
        return cleaned


@admin.register(Category)
class CategoryAdmin(CategoryChoiceAdmin, CompactProtectedAdmin, ServiceErrorAdmin, DraggableMPTTAdmin):
    form = CategoryForm
    readonly_fields = ["picture"]
    autocomplete_fields = ["parent"]
    prepopulated_fields = {"slug": ["name"]}
    list_display = ["tree_actions", "indented_title", "slug", "products"]
    list_display_links = ["indented_title"]
    search_fields = ["name", "slug"]
    # Sorting by a column would break the tree.
    sortable_by = ()
    expand_tree_by_default = True
    protected_by = {
        "children": ngettext_lazy(
            "“%(object)s” has %(count)s subcategory", "“%(object)s” has %(count)s subcategories", "count"
        ),
        "products": ngettext_lazy(
            "“%(object)s” has %(count)s product", "“%(object)s” has %(count)s products", "count"
        ),
    }

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        categories: QuerySet[Any] = super().get_queryset(request)
        view = request.resolver_match.url_name if request.resolver_match else ""
        if view == "catalog_category_changelist":
            listed = ListingEntry.objects.filter(ancestor_id=OuterRef("pk")).values("ancestor_id")
            counted = Subquery(listed.annotate(count=Count("*")).values("count"), IntegerField())
            categories = categories.annotate(product_count=Coalesce(counted, 0))
        elif view == "autocomplete":
            above = Category.objects.filter(
                tree_id=OuterRef("tree_id"), lft__lte=OuterRef("lft"), rght__gte=OuterRef("rght")
            )
            names = StringAgg("name", " › ", order_by="lft")
            paths = above.order_by().values("tree_id").annotate(path=names).values("path")
            categories = categories.annotate(path=Subquery(paths))
        return categories

    def autocomplete_label(self, category: Any) -> str:
        """Return the label of a suggestion: the path that `get_queryset` has annotated."""
        path: str = category.path
        return path

    @admin.display(description=_("published products"))
    def products(self, category: Any) -> SafeString:
        url = reverse("admin:catalog_product_changelist", query={"in_category": category.pk})
        return format_html('<a href="{}">{}</a>', url, category.product_count)

    def get_fieldsets(self, request: HttpRequest, obj: Category | None = None) -> Any:
        picture = ["picture"] if obj and obj.image else []
        fields = [("name", "slug"), "parent", ("image", *picture), "image_alt"]
        return [(None, {"fields": fields}), SEARCH_ENGINES]

    @admin.display(description=_("Current image"))
    def picture(self, category: Category) -> SafeString | str:
        return render_preview(category.picture, height=160)

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Category | None:
        if request.method == "POST":
            lock_tree()
        return super().get_object(request, object_id, from_field)

    def save_model(self, request: HttpRequest, obj: Category, form: forms.ModelForm, change: bool) -> None:
        entered, changed = form.cleaned_data, form.changed_data
        parent = entered.get("parent")
        parent_id = parent.pk if parent else None
        if not change:
            obj.pk = create_category(name=entered["name"], parent_id=parent_id, slug=entered["slug"]).pk
            changed = ["image", *_TEXTS]
        elif "parent" in changed:
            move_category(category_id=obj.pk, target_id=parent_id)
        update_category(
            category_id=obj.pk,
            name=entered["name"] if "name" in changed else None,
            slug=entered["slug"] if "slug" in changed else None,
            # Django represents a cleared file as False.
            image=(entered["image"] or "") if "image" in changed else None,
            **{name: entered[name] for name in _TEXTS if name in changed},
        )
        obj.refresh_from_db()

    def delete_model(self, request: HttpRequest, obj: Category) -> None:
        delete_category(category_id=obj.pk)

    def delete_queryset(self, request: HttpRequest, queryset: "QuerySet[Category]") -> None:
        for category in queryset:
            delete_category(category_id=category.pk)

    def delete_selected_tree(self, modeladmin: Any, request: HttpRequest, queryset: Any) -> Any:
        """Override mptt's action, which deletes subtrees without the service."""
        return delete_selected(self, request, queryset)

    def _move_node(self, request: HttpRequest) -> HttpResponse:
        """Handle a move by mptt's script, which then reloads the page and so shows the message."""
        if not self.has_change_permission(request):
            return self._refuse_move(request, _("You do not have permission to move categories."), status=403)
        position = request.POST.get("position", "")
        if position not in get_args(Position):
            return self._refuse_move(
                request,
                _("position must be one of %(positions)s.") % {"positions": ", ".join(get_args(Position))},
                status=400,
            )
        try:
            category = move_category(
                category_id=parse_id(request.POST.get("cut_item", "")),
                target_id=parse_id(request.POST.get("pasted_on", "")),
                position=cast(Position, position),
            )
        except ShopError as error:
            return self._refuse_move(request, error.message, status=409)
        self.log_change(request, category, [{"changed": {"fields": ["parent"]}}])
        self.message_user(
            request, _("“%(category)s” has been moved.") % {"category": category}, messages.SUCCESS
        )
        return HttpResponse("Moved.", content_type="text/plain")

    def _refuse_move(self, request: HttpRequest, message: Any, *, status: int) -> HttpResponse:
        self.message_user(request, message, messages.ERROR)
        return HttpResponse(message, status=status, content_type="text/plain")
