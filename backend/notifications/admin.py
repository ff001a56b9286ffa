from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from backend.core.admin import BoundedPaginator
from backend.notifications import services
from backend.notifications.models import OutgoingEmail


@admin.register(OutgoingEmail)
class OutgoingEmailAdmin(admin.ModelAdmin):
    """A read-only list: only the shop itself creates mails. Failed mails can be filtered and sent again."""

    list_display = [
        "created_at",
        "task",
        "recipient",
        "status",
        "attempts",
        "due_at",
        "sent_at",
        "last_error",
    ]
    list_filter = ["status", "task"]
    search_fields = ["recipient__exact"]
    actions = ["send_again"]
    paginator = BoundedPaginator
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: OutgoingEmail | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: OutgoingEmail | None = None) -> bool:
        return False

    def has_send_again_permission(self, request: HttpRequest) -> bool:
        return super().has_change_permission(request)

    @admin.action(description="Send failed mails again", permissions=["send_again"])
    def send_again(self, request: HttpRequest, emails: QuerySet[OutgoingEmail]) -> None:
        count = services.retry_failed_emails(email_ids=emails.values_list("pk", flat=True))
        self.message_user(request, f"{count} failed mails will be sent again.")
