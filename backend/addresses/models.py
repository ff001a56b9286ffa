"""The address books of accounts."""

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backend.addresses.delivery import Address, Contact, get_max_lengths, read_part
from backend.core.identifiers import encode_global_id

MAX_ADDRESSES = 20
MAX_LABEL_LENGTH = 50

_CONTACT_LENGTHS = get_max_lengths(Contact)
_ADDRESS_LENGTHS = get_max_lengths(Address)


class SavedAddress(models.Model):
    """A contact and a delivery address that an account has saved. One of an account's is the default.

    Lock the account before changing its addresses.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    label = models.CharField(max_length=MAX_LABEL_LENGTH, blank=True)
    is_default = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)
    name = models.CharField(max_length=_CONTACT_LENGTHS["name"])
    phone = models.CharField(
        max_length=_CONTACT_LENGTHS["phone"], help_text=_("In E.164 format, without extension.")
    )
    phone_as_typed = models.CharField(max_length=_CONTACT_LENGTHS["phone_as_typed"])
    line1 = models.CharField("address", max_length=_ADDRESS_LENGTHS["line1"])
    line2 = models.CharField("address, second line", max_length=_ADDRESS_LENGTHS["line2"], blank=True)
    city = models.CharField(max_length=_ADDRESS_LENGTHS["city"], blank=True)
    postal_code = models.CharField(max_length=_ADDRESS_LENGTHS["postal_code"], blank=True)
    country = models.CharField(
        max_length=_ADDRESS_LENGTHS["country"], help_text=_("ISO 3166-1 alpha-2 code.")
    )

    class Meta:
        ordering = ["-is_default", "-id"]
        verbose_name_plural = _("saved addresses")
        constraints = [
            models.UniqueConstraint(
                fields=["user"],
                name="saved_address_one_default",
                condition=models.Q(is_default=True),
            )
        ]

    def __str__(self) -> str:
        return _("Saved address %(id)s") % {"id": self.pk}

    @property
    def global_id(self) -> str:
        """The opaque id in GraphQL."""
        return encode_global_id("SavedAddress", self.pk)

    @property
    def contact(self) -> Contact | None:
        """The person to contact, which every saved address has."""
        return read_part(Contact, self)

    @property
    def delivery_address(self) -> Address | None:
        """The address, which every saved address has."""
        return read_part(Address, self)
