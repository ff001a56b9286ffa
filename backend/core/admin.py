"""Base classes for model admins."""

from collections.abc import Callable
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.options import BaseModelAdmin
from django.contrib.admin.widgets import AutocompleteSelect, AutocompleteSelectMultiple
from django.contrib.messages.storage.base import Message
from django.core.paginator import Paginator
from django.db import IntegrityError
from django.db.models import ForeignKey, Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from backend.core.db import MAX_ATTEMPTS, run_atomic
from backend.core.errors import ShopError
from backend.core.identifiers import parse_id


class BoundedPaginator(Paginator):
    """A paginator that counts at most `max_count` rows, because counting a large table takes seconds."""

    max_count = 10_000

    @cached_property
    def count(self) -> int:
        return min(self._bounded_count, self.max_count)

    @property
    def is_truncated(self) -> bool:
        """True if there are more rows than the pages show."""
        return self._bounded_count > self.max_count

    @cached_property
    def _bounded_count(self) -> int:
        rows = cast("QuerySet[Any]", self.object_list)
        return rows.order_by()[: self.max_count + 1].count()


class SafeAutocompleteSelect(AutocompleteSelect):
    """An `AutocompleteSelect` that ignores invalid ids.

    Django's own raises ValueError when a form is displayed again with a submitted value that is not an id.
    """

    def optgroups(self, name: str, value: Any, attr: Any = None) -> Any:
        return super().optgroups(name, [text for text in value if parse_id(str(text))], attr)


class SafeAutocompleteSelectMultiple(AutocompleteSelectMultiple):
    """An `AutocompleteSelectMultiple` that ignores invalid ids; see `SafeAutocompleteSelect`."""

    def optgroups(self, name: str, value: Any, attr: Any = None) -> Any:
        return super().optgroups(name, [text for text in value if parse_id(str(text))], attr)


class SafeAutocompleteAdmin(BaseModelAdmin):
    """Use `SafeAutocompleteSelect` for `autocomplete_fields`."""

    def formfield_for_foreignkey(
        self, db_field: "ForeignKey", request: HttpRequest, **options: Any
    ) -> forms.ModelChoiceField | None:
        if db_field.name in self.get_autocomplete_fields(request):
            options.setdefault("widget", SafeAutocompleteSelect(db_field, self.admin_site))
        return super().formfield_for_foreignkey(db_field, request, **options)


class ServiceErrorAdmin(ModelAdmin):
    """Show a ShopError or IntegrityError as a message on the page that caused it.

    Forms validate first. These errors come from changes between the validation and the write. Each request is
    one transaction, which is retried after a deadlock.
    """

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        view = super().changeform_view
        return self._handle_errors(request, lambda: view(request, object_id, form_url, extra_context))

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        view = super().changelist_view
        return self._handle_errors(request, lambda: view(request, extra_context))

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        view = super().delete_view
        return self._handle_errors(request, lambda: view(request, object_id, extra_context))

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> Any:
        # Browsers do not fill in the files of a form that is displayed again.
        if request.FILES and context.get("errors"):
            names = ", ".join(str(file) for file in request.FILES.values())
            text = _("Nothing was saved because of the errors below. Add these files again: %(names)s.")
            self.message_user(request, text % {"names": names}, messages.WARNING)
        return super().render_change_form(request, context, *args, **options)

    def _handle_errors(self, request: HttpRequest, view: Callable[[], HttpResponse]) -> HttpResponse:
        if request.method != "POST":
            return view()
        # Django adds messages before the transaction is committed. It has no public way to remove them.
        queued: list[Message] = cast(Any, messages.get_messages(request))._queued_messages
        before = len(queued)

        def run() -> HttpResponse:
            del queued[before:]
            return view()

        # An uploaded file has been read and perhaps stored, so such a request is not retried.
        attempts = 1 if request.FILES else MAX_ATTEMPTS
        name = request.resolver_match.url_name if request.resolver_match else None
        try:
            return run_atomic(run, name=name or "admin", attempts=attempts)
        except ShopError as error:
            message = error.message
        except IntegrityError:
            message = str(_("A concurrent change conflicts with this one. Nothing was saved."))
        del queued[before:]
        self.message_user(request, message, messages.ERROR)
        return HttpResponseRedirect(request.get_full_path())


class PartialUpdateForm(forms.ModelForm):
    """A form that validates and saves only the fields that its user has edited.

    The page contains the initial value of each field in a hidden input. A field that differs from it is an
    edit, which is refused if the database has a third value by now. Other fields keep the values that they
    have in the database, so a page that was opened before an order cannot restore the old stock.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if not self.instance._state.adding:
            for field in self.fields.values():
                field.show_hidden_initial = not isinstance(field, forms.FileField)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.instance._state.adding:
            return cleaned
        for name in set(self.fields) - set(self.changed_data):
            cleaned.pop(name, None)
        for name in list(cleaned):
            if self[name].html_initial_name in self.data and self._has_concurrent_edit(name, cleaned[name]):
                stored = self.get_initial_for_field(self.fields[name], name)
                self.add_error(
                    name,
                    _("The stored value is now “%(stored)s”. Reload the page to change it.")
                    % {"stored": stored},
                )
        return self.cleaned_data

    def _has_concurrent_edit(self, name: str, edited: object) -> bool:
        field = self.fields[name]
        stored = field.to_python(self.get_initial_for_field(field, name))
        try:
            initial = field.to_python(self.data[self[name].html_initial_name])
        except forms.ValidationError:
            initial = None
        return stored not in (initial, edited)


class PartialUpdateAdmin(ServiceErrorAdmin):
    """Save only the edited columns, from the change form and from the editable list."""

    form = PartialUpdateForm

    # Columns saved with every change, such as a date of modification.
    always_saved: tuple[str, ...] = ()

    def get_changelist_form(self, request: HttpRequest, **options: Any) -> type[forms.ModelForm]:
        return super().get_changelist_form(request, **{"form": PartialUpdateForm} | options)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        context = getattr(response, "context_data", None) or {}
        formset = getattr(context.get("cl"), "formset", None)
        if formset is not None and formset.is_bound:
            # The list may have changed since it was displayed. Show each invalid form beside its own object.
            context["cl"].result_list = [form.instance for form in formset.forms]
        return response

    def save_model(self, request: HttpRequest, obj: Model, form: forms.ModelForm, change: bool) -> None:
        if not change:
            obj.save()
        elif columns := [
            field.name for field in obj._meta.concrete_fields if field.name in form.changed_data
        ]:
            obj.save(update_fields=[*columns, *self.always_saved])


class CompactProtectedAdmin(ModelAdmin):
    """Show the number of objects that protect an object from deletion, instead of listing all of them."""

    # The names of the protecting relations and the messages, with the placeholders `object` and `count`.
    protected_by: dict[str, Any] = {}

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        protected = [
            label % {"object": obj, "count": count}
            for obj in objs
            for relation, label in self.protected_by.items()
            if (count := getattr(obj, relation).count())
        ]
        return ([], {}, set(), protected) if protected else super().get_deleted_objects(objs, request)
