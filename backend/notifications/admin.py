"""Admin of outgoing mails."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from backend.core.admin import BoundedPaginator
from backend.core.identifiers import parse_id
from backend.notifications import services
from backend.notifications.models import OutgoingEmail
from backend.orders.models import Order


class OrderFilter(admin.SimpleListFilter):
    """Find the mails about an order to its customer. Pages of orders link to it.

    Only the recipient has an index. The parameter is the order, because URLs are logged.
    """

    title = _("order")
    parameter_name = "order"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        value = self.value()
        # The filter is hidden unless it is used.
        return [(value, _("Order with id %(id)s") % {"id": parse_id(value)})] if value else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[OutgoingEmail]) -> QuerySet[OutgoingEmail]:
        value = self.value()
        if value is None:
            return queryset
        order = Order.objects.select_related("user").filter(pk=parse_id(value)).first()
        if order is None or not order.customer_email:
            return queryset.none()
        return queryset.filter(recipient=order.customer_email, context__order_id=order.pk)


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
    list_filter = ["status", "task", OrderFilter]
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

    @admin.action(description=_("Send failed mails again"), permissions=["send_again"])
    def send_again(self, request: HttpRequest, emails: QuerySet[OutgoingEmail]) -> None:
        count = services.retry_failed_emails(email_ids=emails.values_list("pk", flat=True))
        message = ngettext(
            "%(count)s failed mail will be sent again.", "%(count)s failed mails will be sent again.", count
        )
        self.message_user(request, message % {"count": count})
