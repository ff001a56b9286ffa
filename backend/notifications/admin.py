from django.contrib import admin
from django.http import HttpRequest

from backend.notifications.models import OutgoingEmail


@admin.register(OutgoingEmail)
class OutgoingEmailAdmin(admin.ModelAdmin):
    """A read-only list: only the shop itself creates mails."""

    list_display = ["created_at", "task", "recipient", "status", "attempts", "sent_at", "last_error"]
    list_filter = ["status", "task"]
    search_fields = ["recipient__exact"]
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: OutgoingEmail | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: OutgoingEmail | None = None) -> bool:
        return False
