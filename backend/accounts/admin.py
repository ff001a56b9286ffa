from typing import Any

import gqlauth.admin
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.http import HttpRequest
from gqlauth.models import UserStatus

from backend.accounts.models import User

# Its tokens are not used, and a status that is changed there goes past everything that is checked here.
for model in gqlauth.admin.app.get_models():
    admin.site.unregister(model)


@admin.register(User)
class UserAdmin(DjangoUserAdmin):
    ordering = ["email"]
    list_display = ["email", "name", "language", "confirmed", "is_staff", "is_active", "date_joined"]
    list_filter = ["is_staff", "is_active", "status__verified"]
    list_select_related = ["status"]
    search_fields = ["email", "name"]
    readonly_fields = ["confirmed", "date_joined", "last_login"]
    fieldsets = [
        (None, {"fields": ["email", "confirmed", "password"]}),
        ("Person", {"fields": ["name", "language"]}),
        ("Rights", {"fields": ["is_active", "is_staff", "is_superuser", "groups", "user_permissions"]}),
        ("Dates", {"fields": ["date_joined", "last_login"]}),
    ]
    add_fieldsets = [(None, {"classes": ["wide"], "fields": ["email", "password1", "password2"]})]

    @admin.display(boolean=True, ordering="status__verified")
    def confirmed(self, user: User) -> bool:
        return user.is_confirmed

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Take an address for confirmed that staff have put in."""
        super().save_model(request, obj, form, change)
        if not change:
            UserStatus.objects.update_or_create(user=obj, defaults={"verified": True})
