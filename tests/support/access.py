"""The declared access to every operation, type field and URL of the shop.

- PUBLIC: the same for everybody. It never returns data of an account, a cart or an order.
- OWNER: the viewer's own data, found by an access token, a cart token, or a code or password in the request.
- STAFF: members of staff with the permissions of Django's admin.
"""

from enum import Enum

from backend.core import storefront


class Access(Enum):
    PUBLIC = "public"
    OWNER = "owner"
    STAFF = "staff"


PUBLIC, OWNER, STAFF = Access

ROOT_FIELDS = {
    "products": PUBLIC,
    "product": PUBLIC,
    "categories": PUBLIC,
    "category": PUBLIC,
    "brands": PUBLIC,
    "brand": PUBLIC,
    "node": OWNER,
    "nodes": OWNER,
    "me": OWNER,
    "order": OWNER,
    "cart": OWNER,
    "recommendations": OWNER,
    "accountRegister": OWNER,
    "accountConfirm": OWNER,
    "accountConfirmationResend": OWNER,
    "tokenCreate": OWNER,
    "tokenRefresh": OWNER,
    "tokenRevoke": OWNER,
    "tokenRevokeAll": OWNER,
    "passwordChange": OWNER,
    "passwordResetRequest": OWNER,
    "passwordReset": OWNER,
    "accountUpdate": OWNER,
    "accountDelete": OWNER,
    "addressCreate": OWNER,
    "addressUpdate": OWNER,
    "addressDelete": OWNER,
    "addressSetDefault": OWNER,
    "cartLinesAdd": OWNER,
    "cartLinesUpdate": OWNER,
    "cartLinesRemove": OWNER,
    "cartClear": OWNER,
    "cartPromoCodeApply": OWNER,
    "cartPromoCodeRemove": OWNER,
    "wishlist": OWNER,
    "wishlistAdd": OWNER,
    "wishlistRemove": OWNER,
    "orderCreate": OWNER,
    "orderCancel": OWNER,
    "recommendationClick": PUBLIC,
}

# The access to each type of GraphQL, and its fields.
TYPES = {
    "Brand": (PUBLIC, "id databaseId name slug description seoTitle seoDescription productCount"),
    "BrandConnection": (PUBLIC, "edges nodes pageInfo"),
    "BrandEdge": (PUBLIC, "cursor node"),
    "BrandFacet": (PUBLIC, "brand count"),
    "Category": (
        PUBLIC,
        "id databaseId name slug image parent children ancestors productCount seoTitle seoDescription",
    ),
    "CategoryFacet": (PUBLIC, "category count"),
    "Characteristic": (PUBLIC, "name value unit"),
    "CharacteristicFacet": (PUBLIC, "name unit values"),
    "FacetValue": (PUBLIC, "value count"),
    "Facets": (PUBLIC, "characteristics priceMin priceMax onSaleCount categories brands"),
    "Image": (PUBLIC, "url alt width height thumbnail srcset"),
    "PageInfo": (PUBLIC, "hasNextPage hasPreviousPage startCursor endCursor"),
    "Product": (
        PUBLIC,
        "id databaseId sku slug name description price compareAtPrice isOnSale isNew currency brand category "
        "image inStock availableQuantity createdAt updatedAt images similar boughtTogether characteristics "
        "seoTitle seoDescription",
    ),
    "ProductConnection": (PUBLIC, "edges nodes pageInfo totalCount facets"),
    "ProductEdge": (PUBLIC, "cursor node"),
    "UserError": (PUBLIC, "code message field"),
    "AccountPayload": (OWNER, "errors"),
    "AddressPayload": (OWNER, "address addresses errors"),
    "Address": (OWNER, "line1 line2 city postalCode country"),
    "Cart": (
        OWNER,
        "id lines totalQuantity subtotal discount total promoCode currency warnings suggestions token",
    ),
    "CartLine": (OWNER, "id product quantity unitPrice lineTotal discount isAvailable"),
    "CartPayload": (OWNER, "cart errors warnings"),
    "CartWarning": (OWNER, "code message productId"),
    "Contact": (OWNER, "name phone phoneAsTyped"),
    "Node": (OWNER, "id"),
    "Order": (
        OWNER,
        "id number status subtotal discount total promoCode currency placedAt contact deliveryAddress "
        "comment isCancellable lines history trackingNumber trackingUrl",
    ),
    "OrderConnection": (OWNER, "edges nodes pageInfo"),
    "OrderEdge": (OWNER, "cursor node"),
    "OrderLine": (OWNER, "id sku name unitPrice quantity cancelledQuantity lineTotal discount product"),
    "OrderPayload": (OWNER, "order token errors"),
    "OrderStatusChange": (OWNER, "status changedAt"),
    "SavedAddress": (OWNER, "id databaseId label contact deliveryAddress isDefault"),
    "TokenPayload": (OWNER, "accessToken refreshToken expiresIn user errors"),
    "User": (OWNER, "id email name language dateJoined orders order addresses defaultAddress"),
    "UserPayload": (OWNER, "user errors"),
    "Wishlist": (OWNER, "id items totalCount token"),
    "WishlistItem": (OWNER, "product addedAt notify"),
    "WishlistItemConnection": (OWNER, "edges nodes pageInfo"),
    "WishlistItemEdge": (OWNER, "cursor node"),
    "WishlistPayload": (OWNER, "wishlist errors"),
}

REST_ROUTES = {
    ("get", "/products"): PUBLIC,
    ("post", "/products"): PUBLIC,
    ("get", "/product"): PUBLIC,
    ("get", "/brand"): PUBLIC,
    ("get", "/categories"): PUBLIC,
    ("get", "/recommendations"): OWNER,
    ("post", "/recommendations/click"): PUBLIC,
    ("get", "/cart"): OWNER,
    ("post", "/cart"): OWNER,
    ("put", "/cart"): OWNER,
    ("delete", "/cart"): OWNER,
    ("post", "/cart/promo-code"): OWNER,
    ("delete", "/cart/promo-code"): OWNER,
    ("get", "/wishlist"): OWNER,
    ("post", "/wishlist"): OWNER,
    ("delete", "/wishlist"): OWNER,
    ("post", "/order"): OWNER,
    ("get", "/order"): OWNER,
    ("get", "/orders"): OWNER,
    ("post", "/order/cancel"): OWNER,
    ("get", "/addresses"): OWNER,
    ("post", "/addresses"): OWNER,
    ("put", "/addresses"): OWNER,
    ("delete", "/addresses"): OWNER,
    ("post", "/addresses/default"): OWNER,
    ("post", "/auth/register"): OWNER,
    ("post", "/auth/confirm"): OWNER,
    ("post", "/auth/resend"): OWNER,
    ("post", "/auth/login"): OWNER,
    ("post", "/auth/refresh"): OWNER,
    ("post", "/auth/logout"): OWNER,
}

# The patterns of the URLs outside the REST API and the admin. The two of the documentation are limited by
# SWAGGER_PERMISSION, /graphql by the access to its fields, /metrics by METRICS_TOKEN, which is for staff, and
# /payments by the signatures of payment providers, which act for the shop.
# /unsubscribe takes the signed token of a mail.
URLS = {
    "graphql": PUBLIC,
    "health/live": PUBLIC,
    "health/ready": PUBLIC,
    "metrics": STAFF,
    "payments/<str:provider>": STAFF,
    "unsubscribe": OWNER,
    "^media/(?P<path>.*)$": PUBLIC,
    # The page of the storefront, whose data comes from /graphql.
    storefront.PATHS: PUBLIC,
    "": PUBLIC,
    "openapi.json": PUBLIC,
    "docs": PUBLIC,
}

# The pages of the admin that are not for staff only.
ADMIN_URLS = {
    "admin/login/": PUBLIC,
    # Without a session there is nothing to end.
    "admin/logout/": PUBLIC,
}
