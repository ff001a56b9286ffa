from typing import Any

import gqlauth.admin
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from gqlauth.models import UserStatus

from backend.accounts.models import User
from backend.accounts.services import lock_carts
from backend.core.admin import ServiceErrorAdmin

# The shop does not use gqlauth's tokens, and its status form bypasses the services of accounts.
for model in gqlauth.admin.app.get_models():
    admin.site.unregister(model)


class ConfirmedFilter(admin.BooleanFieldListFilter):
    """Filter by whether the address is confirmed, under the name of the column."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.title = _("confirmed")


@admin.register(User)
class UserAdmin(ServiceErrorAdmin, DjangoUserAdmin):
    ordering = ["email"]
    list_display = ["email", "name", "language", "confirmed", "is_staff", "is_active", "date_joined"]
    list_filter = ["is_staff", "is_active", ("status__verified", ConfirmedFilter)]
    list_select_related = ["status"]
    search_fields = ["email", "name"]
    readonly_fields = ["confirmed", "date_joined", "last_login"]
    fieldsets = [
        (None, {"fields": ["email", "confirmed", "password"]}),
        (_("Personal data"), {"fields": ["name", "language"]}),
        (
            _("Permissions"),
            {"fields": ["is_active", "is_staff", "is_superuser", "groups", "user_permissions"]},
        ),
        (_("Dates"), {"fields": ["date_joined", "last_login"]}),
    ]
    add_fieldsets = [(None, {"classes": ["wide"], "fields": ["email", "password1", "password2"]})]

    @admin.display(description=_("confirmed"), boolean=True, ordering="status__verified")
    def confirmed(self, user: User) -> bool:
        return user.is_confirmed

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Confirm the address of an account that staff create."""
        super().save_model(request, obj, form, change)
        if not change:
            UserStatus.objects.update_or_create(user=obj, defaults={"verified": True})

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        self.delete_queryset(request, User.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: "QuerySet[User]") -> None:
        # Orders lock the account before its cart, so a deletion locks in the same order.
        accounts = User.objects.filter(pk__in=list(queryset.values_list("pk", flat=True)))
        user_ids = list(accounts.select_for_update().order_by("pk").values_list("pk", flat=True))
        lock_carts(user_ids)
        super().delete_queryset(request, queryset)
