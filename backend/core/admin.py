"""The admin site, and what its pages share: refusals shown as messages, edits that overwrite nothing."""

from collections.abc import Callable
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.admin.options import BaseModelAdmin
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.paginator import Paginator
from django.db import IntegrityError, transaction
from django.db.models import ForeignKey, Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.functional import cached_property

from backend.accounts.emails import normal_email
from backend.accounts.models import User
from backend.accounts.services.limits import count_login, forget_logins
from backend.core.errors import Invalid, RateLimited, ShopError, TooLong, Unavailable
from backend.core.identifiers import parse_id
from backend.core.viewer import client_address


class LabelledAutocompleteView(AutocompleteJsonView):
    """Suggestions that an admin can word longer than the object's name, with `autocomplete_label`."""

    def serialize_result(self, obj: Model, to_field_name: str) -> dict[str, str]:
        result: dict[str, str] = super().serialize_result(obj, to_field_name)
        label = getattr(self.model_admin, "autocomplete_label", None)
        return result | {"text": label(obj)} if label else result


class LimitedLoginForm(AdminAuthenticationForm):
    """Lets nobody guess passwords faster here than in the APIs; the tries are counted apart from theirs."""

    def clean(self) -> dict[str, Any]:
        if not self.cleaned_data.get("username") or not self.cleaned_data.get("password"):
            return super().clean()
        assert self.request is not None
        address = client_address(self.request)
        try:
            email = self.cleaned_data["username"] = normal_email(self.cleaned_data["username"])
            count_login(email, address, "admin-login")
            cleaned = super().clean()
        except (Invalid, TooLong):
            raise self.get_invalid_login_error() from None
        except (RateLimited, Unavailable) as error:
            raise forms.ValidationError(error.message, code=error.code) from None
        forget_logins(email, address, "admin-login")
        return cleaned

    def confirm_login_allowed(self, user: User) -> None:
        """Keep out whose account is archived, as the APIs do; staff need no confirmed address."""
        super().confirm_login_allowed(user)
        if user.is_archived:
            raise self.get_invalid_login_error()


class BoundedPaginator(Paginator):
    """Counts no further than anybody leafs: of rows that grow for ever, counting all takes seconds."""

    most = 10_000

    @cached_property
    def count(self) -> int:
        return min(self._found, self.most)

    @property
    def is_cut_short(self) -> bool:
        """Whether there is more than can be leafed through."""
        return self._found > self.most

    @cached_property
    def _found(self) -> int:
        rows = cast("QuerySet[Any]", self.object_list)
        return rows.order_by()[: self.most + 1].count()


class ShopAdminSite(AdminSite):
    """The staff's site."""

    site_title = "Lavka"
    site_header = "Lavka"
    index_title = "The shop"
    login_form = LimitedLoginForm

    def has_permission(self, request: HttpRequest) -> bool:
        """Let staff in; who is archived is out at once, also where they have logged in already."""
        return super().has_permission(request) and not cast(User, request.user).is_archived

    def autocomplete_view(self, request: HttpRequest) -> Any:
        return LabelledAutocompleteView.as_view(admin_site=self)(request)


class Suggestions(AutocompleteSelect):
    """Django's own fails with an error of its own when it shows a value again that is no identifier."""

    def optgroups(self, name: str, value: Any, attr: Any = None) -> Any:
        return super().optgroups(name, [text for text in value if parse_id(str(text))], attr)


class SuggestsForeignKeys(BaseModelAdmin):
    """Offers suggestions for `autocomplete_fields`."""

    def formfield_for_foreignkey(
        self, db_field: "ForeignKey", request: HttpRequest, **options: Any
    ) -> forms.ModelChoiceField | None:
        if db_field.name in self.get_autocomplete_fields(request):
            options.setdefault("widget", Suggestions(db_field, self.admin_site))
        return super().formfield_for_foreignkey(db_field, request, **options)


class RefusalsAsMessages(ModelAdmin):
    """Shows what the services or the database refuse as a message on the page that asked for it.

    Forms refuse what they can see; this is for what has changed between their check and the write.
    """

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        view = super().changeform_view
        return self._answer(request, lambda: view(request, object_id, form_url, extra_context))

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        view = super().changelist_view
        return self._answer(request, lambda: view(request, extra_context))

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        view = super().delete_view
        return self._answer(request, lambda: view(request, object_id, extra_context))

    def _answer(self, request: HttpRequest, view: Callable[[], HttpResponse]) -> HttpResponse:
        if request.method != "POST":
            return view()
        try:
            with transaction.atomic():
                return view()
        except ShopError as error:
            message = error.message
        except IntegrityError:
            message = "Somebody else has just saved the same, or deleted what it needs. Nothing was saved."
        self.message_user(request, message, messages.ERROR)
        return HttpResponseRedirect(request.get_full_path())


class EditsOnlyWhatChanged(forms.ModelForm):
    """A form that writes only what its user has changed.

    The values that the page was made of travel with it, hidden. A field that differs from its own is
    an edit; it is refused if the database has another value by now, and everything else is left as
    it is in the database. So a page that was opened before an order came in cannot write the stock back.
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
            if self[name].html_initial_name in self.data and self._changed_by_another(name, cleaned[name]):
                now = self.get_initial_for_field(self.fields[name], name)
                self.add_error(name, f"Meanwhile this has become “{now}”. Reload the page to change it.")
        return self.cleaned_data

    def _changed_by_another(self, name: str, wanted: object) -> bool:
        field = self.fields[name]
        now = field.to_python(self.get_initial_for_field(field, name))
        try:
            shown = field.to_python(self.data[self[name].html_initial_name])
        except forms.ValidationError:
            shown = None
        return now not in (shown, wanted)


class SavesOnlyWhatChanged(RefusalsAsMessages):
    """Writes the columns that were edited, on an object's page and in the list alike."""

    form = EditsOnlyWhatChanged

    # Columns written whenever another is, such as a date.
    always_written: tuple[str, ...] = ()

    def get_changelist_form(self, request: HttpRequest, **options: Any) -> type[forms.ModelForm]:
        return super().get_changelist_form(request, **{"form": EditsOnlyWhatChanged} | options)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        context = getattr(response, "context_data", None) or {}
        formset = getattr(context.get("cl"), "formset", None)
        if formset is not None and formset.is_bound:
            # Shown again with errors: every form beside its own object, whatever the list is by now.
            context["cl"].result_list = [form.instance for form in formset.forms]
        return response

    def save_model(self, request: HttpRequest, obj: Model, form: forms.ModelForm, change: bool) -> None:
        if not change:
            obj.save()
        elif columns := [
            field.name for field in obj._meta.concrete_fields if field.name in form.changed_data
        ]:
            obj.save(update_fields=[*columns, *self.always_written])


class ProtectedInBrief(ModelAdmin):
    """Says how many objects stand in the way of a deletion, where Django would list every one."""

    # What protects an object: the name of the relation and what its objects are called.
    protected_by: dict[str, str] = {}

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        protected = [
            f"“{obj}” has {count} {label}"
            for obj in objs
            for relation, label in self.protected_by.items()
            if (count := getattr(obj, relation).count())
        ]
        return ([], {}, set(), protected) if protected else super().get_deleted_objects(objs, request)
