"""Product feeds: import and export in the formats of Google Merchant Center and Yandex Market (YML).

Columns of Google Merchant Center, to which `yml_offers` converts YML (others are ignored and listed in the
report):

- `id`: the SKU. `title`, `description`: texts. `link`: the slug, or a URL that ends with it.
- `price`: "28.99 USD", or one of the other forms of `amounts`. Ambiguous numbers are refused.
- `sale_price`: while it is in effect, it is the price of the product, and `price` is its compare-at price.
  `sale_price_effective_date` is compared with the time of the import. Without these columns, a product keeps
  its compare-at price as long as it is above the price.
- `availability` and `quantity`: the stock. `in_stock` without a quantity gives a new product the default
  stock and leaves the stock of an existing product unchanged, even if it is 0: the shop knows what it has
  sold. Any other availability sets the stock to 0.
- `product_type`: the category path, "A > B > C". A ">" inside a name is escaped with a backslash.
- `brand`, `color` and the other `cells.ATTRIBUTES`, and `product_detail`
  ("Section:Name (unit):Value,…"): the characteristics.
- `brand` is also the brand of the product, which is created if it is missing; names that differ in case or
  punctuation alone are one brand. If staff choose another brand than the characteristic says, the column
  sets the brand alone, and an export has the characteristic among the details. Products that were imported
  before there were brands have the characteristic alone until their next import.
- `image_link`, `additional_image_link`: paths of pictures, relative to the feed's folder.
- `image_alt`: the alternative texts of the pictures in the same order. This column is Lavka's own.
- `status`: `active` or `archived`, as in Meta's catalogue format: whether the product is published.

List cells follow Google's quoting rules: commas separate items and colons separate the parts of an item.
An item that contains a comma, a colon or a quotation mark is quoted, and quotation marks are doubled.

A filled cell sets its value, an empty cell clears it, and a missing column leaves it unchanged. Cells that
are missing at the end of a row are empty. An unreadable cell is reported, and leaves the value unchanged;
only an unreadable `id`, `title` or `price` refuses the row.
"""
