// Sets GraphiQL up for this shop: the endpoint, the example tabs, the hints in the Headers tab.
import { mount } from "./vendor/graphiql.js";

const HEADERS = `{
  // Signed in: the accessToken of tokenCreate
  // "Authorization": "Bearer …",

  // A guest's cart: cart { token }
  // "X-Cart-Token": "…"
}
`;

const BROWSE = `# A category and everything below it: the
# cheapest products within a price range, and
# what the list can be narrowed by.
query Browse {
  products(
    categorySlug: "electronics"
    filter: {
      price: { min: "3000", max: "10000" }
      inStock: true
    }
    sortBy: PRICE_ASC
    first: 5
  ) {
    totalCount
    nodes {
      name
      slug
      price
      currency
    }
    facets {
      priceMin
      priceMax
      categories {
        category {
          name
          slug
        }
        count
      }
      characteristics {
        name
        unit
        values {
          value
          count
        }
      }
    }
    # The next page: after: "<endCursor>"
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
`;

const SEARCH = `# Typing errors are forgiven; the best match
# comes first.
query Search {
  products(
    filter: { search: "hedphones" }
    first: 5
  ) {
    totalCount
    nodes {
      name
      slug
      price
    }
  }
}
`;

const PRODUCT_CARD = `# Everything a product page shows.
# The slug stands under Variables, below.
query ProductCard($slug: String!) {
  product(slug: $slug) {
    sku
    name
    description
    price
    currency
    inStock
    availableQuantity
    characteristics {
      name
      value
      unit
    }
    images {
      url
      alt
      width
      height
    }
    category {
      name
      slug
      ancestors {
        name
        slug
      }
    }
  }
}
`;

const CATEGORY_TREE = `# The menu: two levels of the tree.
# Without depth, all of it.
query CategoryTree {
  categories(depth: 2) {
    name
    slug
    productCount
    children {
      name
      slug
      productCount
    }
  }
}
`;

const EXAMPLES = [
  { query: BROWSE },
  { query: SEARCH },
  { query: PRODUCT_CARD, variables: { slug: "fjordwave-quiet-3-over-ear-headphones" } },
  { query: CATEGORY_TREE },
];

/** Send one operation to the address of this very page. */
async function fetcher(operation, { headers } = {}) {
  const response = await fetch(location.pathname, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json", ...headers },
    body: JSON.stringify(operation),
  });
  if (!response.headers.get("Content-Type")?.includes("json")) {
    throw new Error(`The server responded with ${response.status} ${response.statusText} instead of JSON.`);
  }
  return response.json();
}

mount(document.getElementById("graphiql"), {
  name: "Lavka GraphQL",
  fetcher,
  defaultHeaders: HEADERS,
  defaultTabs: EXAMPLES.map(({ query, variables }) => ({
    query,
    variables: variables && JSON.stringify(variables, null, 2),
    headers: HEADERS,
  })),
});
