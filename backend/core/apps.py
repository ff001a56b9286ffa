from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class CoreConfig(AppConfig):
    name = "backend.core"
    label = "core"


class ShopAdminConfig(admin_apps.AdminConfig):
    """Django's admin, with the shop's own site."""

    default = False
    default_site = "backend.core.admin.ShopAdminSite"
