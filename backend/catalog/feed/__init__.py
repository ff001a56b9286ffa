"""Products in and out of the shop as a Google Merchant Center product feed.

The columns, and what they are here (everything else in a feed is ignored and named in the report):

- `id` the SKU; `title`, `description`; `link` the slug, or a URL that ends with it;
- `price` "28.99 USD"; `availability`, and `quantity` for the number in stock. `in_stock` without it
  gives a new product the default stock; one that the shop has keeps its own, 0 too, as the shop knows
  what it has sold. Any other availability makes it 0;
- `product_type` the category, "A > B > C";
- `brand`, `color` and the other `cells.ATTRIBUTES`, and `product_detail`
  ("Section:Name (unit):Value,…"): the characteristics;
- `image_link`, `additional_image_link`: the pictures, by path beside the feed; `image_alt`, a column of
  our own: their alternative texts, in the same order;
- `status`: `active` or `archived`, as Meta's catalogues have it: whether the product is published.

Lists follow Google's rules for quoting: commas part the items and colons the parts of an item; what
holds a comma, a colon or a quotation mark stands in quotation marks, which are doubled inside.
A category name that holds ">" is written with a backslash before it.

What a feed has is set, what its header lacks stays as it is, and an empty cell clears.
"""
