from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class AccountsConfig(AppConfig):
    name = "backend.accounts"
    label = "accounts"


class ShopAdminConfig(admin_apps.AdminConfig):
    """Django's admin with `ShopAdminSite` as the default site."""

    default = False
    default_site = "backend.accounts.admin_site.ShopAdminSite"
